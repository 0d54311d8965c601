/** The rank of a pair that is never merged: larger than any real one. */
export const NO_RANK = 0xffffffff;

/**
 * Which two tokens merge, in which order of preference, and into what.
 *
 * Open addressing over three typed columns, at most half full. Memory: 24 to 48 bytes a pair.
 */
export class PairTable {
  readonly #left: Uint32Array;
  readonly #right: Uint32Array;
  readonly #rank: Uint32Array;
  readonly #merged: Uint32Array;
  readonly #mask: number;

  /** Room for `count` pairs, whose ranks are below `count`. */
  constructor(count: number) {
    let capacity = 16;
    while (capacity < 2 * count) capacity *= 2;
    this.#left = new Uint32Array(capacity);
    this.#right = new Uint32Array(capacity);
    this.#rank = new Uint32Array(capacity).fill(NO_RANK);
    this.#merged = new Uint32Array(count);
    this.#mask = capacity - 1;
  }

  /** Records a merge. A pair that is given again takes the new rank. */
  set(left: number, right: number, rank: number, merged: number): void {
    const slot = this.#find(left, right);
    this.#left[slot] = left;
    this.#right[slot] = right;
    this.#rank[slot] = rank;
    this.#merged[rank] = merged;
  }

  /** Rank of a pair, or {@link NO_RANK}. */
  rankOf(left: number, right: number): number {
    return this.#rank[this.#find(left, right)]!;
  }

  /** The token that the merge of this rank makes. */
  mergedBy(rank: number): number {
    return this.#merged[rank]!;
  }

  /** All pairs in the order of their ranks. O(pairs log pairs). */
  list(): [left: number, right: number][] {
    const slots: number[] = [];
    this.#rank.forEach((rank, slot) => {
      if (rank !== NO_RANK) slots.push(slot);
    });
    slots.sort((a, b) => this.#rank[a]! - this.#rank[b]!);
    return slots.map((slot) => [this.#left[slot]!, this.#right[slot]!]);
  }

  /** Visits all pairs, in no order. */
  each(visit: (left: number, right: number) => void): void {
    this.#rank.forEach((rank, slot) => {
      if (rank !== NO_RANK) visit(this.#left[slot]!, this.#right[slot]!);
    });
  }

  /** The pair's slot, or the free one it would take. */
  #find(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & this.#mask;
    while (
      this.#rank[slot] !== NO_RANK &&
      (this.#left[slot] !== left || this.#right[slot] !== right)
    ) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }
}
