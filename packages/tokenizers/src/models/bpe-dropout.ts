import { NO_RANK, type PairTable } from "./pair-table.ts";

/**
 * Merges as `mergeShort` does, but passes over each candidate with probability `dropout`; one that
 * was passed over comes back after the next merge that is done.
 *
 * Cost: O(count²), which is for training and not for long texts.
 *
 * @returns how many symbols are left.
 * @see `Word::merge_all` in huggingface/tokenizers (3ba8ad0): tokenizers/src/models/bpe/word.rs
 */
export function mergeWithDropout(
  symbols: Uint32Array,
  count: number,
  pairs: PairTable,
  starts: Uint32Array,
  draw: () => boolean,
): number {
  let n = count;
  let skipped = new Set<number>();
  for (;;) {
    let best = NO_RANK;
    let at = 0;
    for (let i = 0; i + 1 < n; i++) {
      const rank = pairs.rankOf(symbols[i]!, symbols[i + 1]!);
      if (rank < best && !skipped.has(starts[i]!)) {
        best = rank;
        at = i;
      }
    }
    if (best === NO_RANK) return n;
    if (draw()) {
      skipped.add(starts[at]!);
      continue;
    }
    skipped = new Set();
    symbols[at] = pairs.mergedBy(best);
    symbols.copyWithin(at + 1, at + 2, n);
    starts.copyWithin(at + 1, at + 2, n);
    n--;
  }
}
