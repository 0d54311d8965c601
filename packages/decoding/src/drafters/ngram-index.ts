import type { TokenView } from "./token-view.ts";

/**
 * Where n-grams of a growing text occur, for all lengths up to `maxNgram` at once.
 *
 * Adding a token costs O(maxNgram), amortised; looking a suffix up costs O(n). Open addressing over
 * the occurrences themselves: an entry is found by comparing tokens, so a hash collision can cost
 * time but never a wrong match. Memory: at most eight bytes per token and n-gram length, twice that
 * right after growing.
 */
export interface NgramIndex {
  /** Indexes everything that ends before `end`. Ends never go back. */
  extend(end: number): void;
  /** Last index of the remembered occurrence of the `n` tokens that end at `end`, or -1. */
  find(end: number, n: number): number;
}

/** An empty index of `tokens`; `keep` says which of several occurrences is remembered. */
export function createNgramIndex(
  tokens: TokenView,
  minNgram: number,
  maxNgram: number,
  keep: "first" | "last",
): NgramIndex {
  /** Last index of the occurrence, plus one; 0 is a free slot. */
  let ends = new Int32Array(1024);
  /** Length of the n-gram in that slot. */
  let lengths = new Uint8Array(ends.length);
  let used = 0;
  let indexed = 0;

  /** The slot of the `n` tokens that end at `end`, or the free one where they would go. */
  const slotOf = (end: number, n: number, hash: number): number => {
    const mask = ends.length - 1;
    let slot = finish(hash, n) & mask;
    for (;;) {
      const stored = ends[slot]!;
      if (stored === 0) return slot;
      if (lengths[slot] === n && isSame(tokens, stored - 1, end, n)) return slot;
      slot = (slot + 1) & mask;
    }
  };

  const insert = (end: number, n: number, hash: number): void => {
    const slot = slotOf(end, n, hash);
    if (ends[slot] === 0) {
      used++;
      lengths[slot] = n;
    } else if (keep === "first") {
      return;
    }
    ends[slot] = end + 1;
  };

  const grow = (): void => {
    const oldEnds = ends;
    const oldLengths = lengths;
    ends = new Int32Array(2 * oldEnds.length);
    lengths = new Uint8Array(ends.length);
    used = 0;
    for (let i = 0; i < oldEnds.length; i++) {
      if (oldEnds[i] === 0) continue;
      const end = oldEnds[i]! - 1;
      insert(end, oldLengths[i]!, hashOf(tokens, end, oldLengths[i]!));
    }
  };

  return {
    extend(end) {
      for (; indexed < end; indexed++) {
        if (2 * (used + maxNgram) > ends.length) grow();
        let hash = 0;
        for (let n = 1; n <= maxNgram && n <= indexed + 1; n++) {
          hash = mix(hash, tokens.at(indexed - n + 1));
          if (n >= minNgram) insert(indexed, n, hash);
        }
      }
    },
    find: (end, n) => ends[slotOf(end, n, hashOf(tokens, end, n))]! - 1,
  };
}

/** Hash of the `n` tokens that end at `end`, taken backwards so that a longer one extends it. */
function hashOf(tokens: TokenView, end: number, n: number): number {
  let hash = 0;
  for (let i = 0; i < n; i++) hash = mix(hash, tokens.at(end - i));
  return hash;
}

function mix(hash: number, token: number): number {
  return Math.imul(hash ^ (token + 0x9e37_79b9), 0x85eb_ca6b) ^ (hash >>> 13);
}

function finish(hash: number, n: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16) ^ n, 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

function isSame(tokens: TokenView, a: number, b: number, n: number): boolean {
  if (a === b) return true;
  for (let i = 0; i < n; i++) if (tokens.at(a - i) !== tokens.at(b - i)) return false;
  return true;
}
