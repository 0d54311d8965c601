/** Where a literal was found: which one, and where it starts. */
export interface LiteralHit {
  readonly literal: number;
  readonly start: number;
}

/**
 * Finds literals in text, leftmost first and the longest of those that start together, in time
 * linear in the text whatever the literals are.
 *
 * An Aho-Corasick automaton over the reversed literals reads the text from its end. At each
 * position it knows the longest reversed literal that ends there, that is, the longest literal that
 * starts there; walking those forward and jumping over each match gives the answer. Reading forward
 * would have to go back after each match, which is quadratic for literals that share long prefixes.
 *
 * Of two equal literals the first one counts. Cost to build: O(total length).
 */
export class LiteralMatcher {
  readonly #literals: readonly string[];
  /** Child of state `s` by unit `u`, under `s * 65536 + u`. State 0 is the root. */
  readonly #next = new Map<number, number>();
  readonly #fallback: number[] = [0];
  /** Longest literal, reversed, that is a suffix of the state; -1 if none. */
  readonly #found: number[] = [-1];
  /** 1 for units that leave the root: most text never does. */
  readonly #leavesRoot: Uint8Array;

  constructor(literals: readonly string[]) {
    this.#literals = literals;
    this.#leavesRoot = new Uint8Array(literals.length > 0 ? 0x10000 : 0);
    const parents = [0];
    const units = [0];
    const depths = [0];
    literals.forEach((literal, index) => {
      let state = 0;
      for (let i = literal.length - 1; i >= 0; i--) {
        const key = state * 0x10000 + literal.charCodeAt(i);
        let child = this.#next.get(key);
        if (child === undefined) {
          child = parents.length;
          parents.push(state);
          units.push(literal.charCodeAt(i));
          depths.push(depths[state]! + 1);
          this.#fallback.push(0);
          this.#found.push(-1);
          this.#next.set(key, child);
          if (state === 0) this.#leavesRoot[literal.charCodeAt(i)] = 1;
        }
        state = child;
      }
      if (state !== 0 && this.#found[state] === -1) this.#found[state] = index;
    });
    this.#linkFallbacks(parents, units, depths);
  }

  get isEmpty(): boolean {
    return this.#literals.length === 0;
  }

  /** All matches in `text`, in order, not overlapping. O(length + matches). */
  find(text: string): LiteralHit[] {
    const starts: LiteralHit[] = [];
    let state = 0;
    for (let i = text.length - 1; i >= 0; i--) {
      const unit = text.charCodeAt(i);
      if (state === 0 && this.#leavesRoot[unit] !== 1) continue;
      state = this.#step(state, unit);
      const literal = this.#found[state]!;
      if (literal >= 0) starts.push({ literal, start: i });
    }

    const hits: LiteralHit[] = [];
    let from = 0;
    for (let k = starts.length - 1; k >= 0; k--) {
      const hit = starts[k]!;
      if (hit.start < from) continue;
      hits.push(hit);
      from = hit.start + this.#literals[hit.literal]!.length;
    }
    return hits;
  }

  #step(from: number, unit: number): number {
    for (let state = from; ; state = this.#fallback[state]!) {
      const next = this.#next.get(state * 0x10000 + unit);
      if (next !== undefined) return next;
      if (state === 0) return 0;
    }
  }

  /** Shallow states first, so that the state a fallback leads to is already finished. */
  #linkFallbacks(parents: number[], units: number[], depths: number[]): void {
    const order = depths.map((_, state) => state).sort((a, b) => depths[a]! - depths[b]!);
    for (const state of order) {
      if (state === 0) continue;
      const parent = parents[state]!;
      if (parent !== 0) {
        this.#fallback[state] = this.#step(this.#fallback[parent]!, units[state]!);
      }
      if (this.#found[state] === -1) this.#found[state] = this.#found[this.#fallback[state]!]!;
    }
  }
}
