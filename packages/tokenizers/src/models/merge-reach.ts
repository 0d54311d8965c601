import type { PairTable } from "./pair-table.ts";

/** Base-2 logarithm of the bits that pairs of characters are marked in: 128 kB in all. */
const BITS = 20;

/**
 * Where merges of tokens spelled in plain characters can never join two of them.
 *
 * A merge across a place joins a token that ends with the character before it and one that begins
 * with the character behind it. Between two characters for which there is no such merge, both of them
 * tokens, what stands on either side is merged as if it stood alone.
 *
 * Pairs are marked by a hash: two that share one only mean that a place is not known. The same goes
 * for characters of two UTF-16 units.
 */
export class MergeReach {
  /** Which UTF-16 units are tokens. */
  readonly #known = new Uint8Array(0x10000);
  /** Which pairs of units a merge may join. */
  readonly #joined = new Uint32Array(1 << (BITS - 5));

  /** O(vocabulary + merges). */
  constructor(vocab: ReadonlyMap<string, number>, pairs: PairTable) {
    const tokens = new Map<number, string>();
    for (const [token, id] of vocab) {
      tokens.set(id, token);
      if (token.length === 1) this.#known[token.charCodeAt(0)] = 1;
    }
    pairs.each((left, right) => {
      const before = tokens.get(left)!;
      const bit = pairBit(before.charCodeAt(before.length - 1), tokens.get(right)!.charCodeAt(0));
      this.#joined[bit >>> 5]! |= 1 << (bit & 31);
    });
  }

  /** Whether two UTF-16 units are tokens that no merge reaches across. */
  isParted(before: number, after: number): boolean {
    const bit = pairBit(before, after);
    const joins = (this.#joined[bit >>> 5]! & (1 << (bit & 31))) !== 0;
    return !joins && this.#known[before]! > 0 && this.#known[after]! > 0;
  }

  /** Visits the parts of a text in order; none is empty. O(length). */
  cut(text: string, visit: (start: number, end: number) => void): void {
    let start = 0;
    let before = text.charCodeAt(0);
    for (let at = 1; at < text.length; at++) {
      const after = text.charCodeAt(at);
      if (this.isParted(before, after)) {
        visit(start, at);
        start = at;
      }
      before = after;
    }
    if (start < text.length) visit(start, text.length);
  }
}

function pairBit(before: number, after: number): number {
  const hash = Math.imul(before, 0x9e3779b1) ^ Math.imul(after, 0x85ebca6b);
  return (hash ^ (hash >>> 15)) >>> (32 - BITS);
}
