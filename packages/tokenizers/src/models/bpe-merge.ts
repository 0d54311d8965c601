import { NO_RANK, type PairTable } from "./pair-table.ts";

/**
 * Applies merges to `symbols[0, count)` in place, lowest rank first and leftmost among equals, by
 * looking for the best pair anew each time.
 *
 * Cost: O(count²), and yet the fastest way for a word. `ranks` is scratch of at least `count`.
 * `starts`, if not null, holds where each symbol starts and loses those of symbols merged away.
 *
 * @returns how many symbols are left.
 */
export function mergeShort(
  symbols: Uint32Array,
  count: number,
  pairs: PairTable,
  ranks: Uint32Array,
  starts: Uint32Array | null = null,
): number {
  let n = count;
  for (let i = 0; i + 1 < n; i++) ranks[i] = pairs.rankOf(symbols[i]!, symbols[i + 1]!);

  while (n > 1) {
    let best = NO_RANK;
    let at = 0;
    for (let i = 0; i + 1 < n; i++) {
      if (ranks[i]! < best) {
        best = ranks[i]!;
        at = i;
      }
    }
    if (best === NO_RANK) break;

    n--;
    symbols[at] = pairs.mergedBy(best);
    if (starts !== null) starts.copyWithin(at + 1, at + 2, n + 1);
    for (let i = at + 1; i < n; i++) {
      symbols[i] = symbols[i + 1]!;
      ranks[i] = ranks[i + 1]!;
    }
    if (at + 1 < n) ranks[at] = pairs.rankOf(symbols[at]!, symbols[at + 1]!);
    if (at > 0) ranks[at - 1] = pairs.rankOf(symbols[at - 1]!, symbols[at]!);
  }
  return n;
}

/**
 * The same result as {@link mergeShort} for long pieces, from a heap of pairs over a linked list.
 *
 * A heap entry is `rank * n + position`, so that the smallest number is the lowest rank and among
 * equals the leftmost; an entry counts only if its pair still has that rank. Exact while
 * `ranks * count < 2^53`, which no string can exceed.
 *
 * Cost: O(count log count) time, about 32 bytes per symbol while it runs.
 *
 * @returns how many symbols are left, moved to the front of `symbols`.
 * @see `Word::merge_all` in huggingface/tokenizers (3ba8ad0): tokenizers/src/models/bpe/word.rs
 */
export function mergeLong(
  symbols: Uint32Array,
  count: number,
  pairs: PairTable,
  starts: Uint32Array | null = null,
): number {
  const n = count;
  const next = new Int32Array(n);
  const previous = new Int32Array(n);
  const rankAt = new Uint32Array(n).fill(NO_RANK);
  const heap = new MinHeap(2 * n);
  for (let i = 0; i < n; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  for (let i = 0; i + 1 < n; i++) {
    const rank = pairs.rankOf(symbols[i]!, symbols[i + 1]!);
    rankAt[i] = rank;
    if (rank !== NO_RANK) heap.append(rank * n + i);
  }
  heap.order();

  const rerank = (at: number): void => {
    const rank = next[at]! < n ? pairs.rankOf(symbols[at]!, symbols[next[at]!]!) : NO_RANK;
    rankAt[at] = rank;
    if (rank !== NO_RANK) heap.push(rank * n + at);
  };

  while (heap.size > 0) {
    const entry = heap.pop();
    const rank = Math.floor(entry / n);
    const at = entry - rank * n;
    if (rankAt[at] !== rank) continue;
    const gone = next[at]!;
    symbols[at] = pairs.mergedBy(rank);
    rankAt[gone] = NO_RANK;
    const after = next[gone]!;
    next[at] = after;
    if (after < n) previous[after] = at;
    rerank(at);
    if (previous[at]! >= 0) rerank(previous[at]!);
  }

  let kept = 0;
  for (let i = 0; i < n; i = next[i]!) {
    if (starts !== null) starts[kept] = starts[i]!;
    symbols[kept++] = symbols[i]!;
  }
  return kept;
}

/** A binary heap of numbers, smallest first, of fixed capacity. */
export class MinHeap {
  size = 0;
  readonly #items: Float64Array;

  constructor(capacity: number) {
    this.#items = new Float64Array(capacity);
  }

  /** Adds without ordering; call {@link MinHeap.order} before anything else. */
  append(item: number): void {
    this.#items[this.size++] = item;
  }

  order(): void {
    for (let i = (this.size >> 1) - 1; i >= 0; i--) this.#sink(i, this.#items[i]!);
  }

  push(item: number): void {
    const items = this.#items;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= item) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): number {
    const top = this.#items[0]!;
    this.size--;
    if (this.size > 0) this.#sink(0, this.#items[this.size]!);
    return top;
  }

  #sink(from: number, item: number): void {
    const items = this.#items;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= item) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
  }
}
