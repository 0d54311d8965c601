import type { Matrix } from "@frugal/core";

import { expectFinite, expectInteger, expectLength, expectNumbers } from "../expect.ts";
import { createReduction, type Reduction, type WeightedSum } from "./reduction.ts";
import { RowProducts } from "./row-products.ts";

/** Options of {@link mergeBipartite}. */
export interface MergeBipartiteOptions {
  /** How many original tokens each row stands for; they weigh the mean. Default: one each. */
  readonly sizes?: Float32Array;
  /** Whether row 0 is a class token, which is never merged. Default false. */
  readonly classToken?: boolean;
  /** Pairs of a lower cosine are not merged, even if fewer than `count` are left. Default -1. */
  readonly minSimilarity?: number;
  /** Products of all pairs of rows of `unitRows(metric)`, if they are at hand: `Kernels.gram`. */
  readonly gram?: Matrix;
}

/** Merged rows, and how many original tokens each of them stands for. */
export interface BipartiteMerge {
  readonly reduction: Reduction;
  /** Their logarithms, added to the logits of their keys, make attention count them in full. */
  readonly sizes: Float32Array;
}

/**
 * ToMe: merges `count` of the rows with even index into the row with odd index that is most similar,
 * the most similar pairs first. Ties go to the lower index.
 *
 * _Shapes_: `metric` n × d, by which rows are compared: keys, averaged over heads, or the features.
 * _Cost_: bounds for n² / 4 pairs of rows, products of the few that pass; none of them is stored.
 *
 * Deviations: rows come out in the order of the image, a merged one in the place of the odd row, where
 * the reference puts unmerged rows first; `minSimilarity` is new.
 *
 * @param count at most the number of rows that can be merged counts.
 * @throws `InferenceError` `shape` or `range` for buffers and numbers that do not fit.
 * @see Token Merging (Bolya et al.), arXiv:2210.09461; `docs/algorithms/bipartite-merging.md`
 */
export function mergeBipartite(
  metric: Matrix,
  count: number,
  options: MergeBipartiteOptions = {},
): BipartiteMerge {
  const n = metric.rows;
  const { sizes = new Float32Array(n).fill(1) } = options;
  expectLength("sizes", sizes, n);
  expectNumbers("sizes", sizes, Number.MIN_VALUE);
  return mergeMatched(n, matchBipartite(metric, count, options), sizes);
}

/** Merges pairs among `n` rows. Unchecked: they are those of {@link matchBipartite}. */
export function mergeMatched(
  n: number,
  pairs: readonly MatchedPair[],
  sizes: Float32Array,
): BipartiteMerge {
  const members = new Map<number, number[]>();
  for (let row = 0; row < n; row++) members.set(row, [row]);
  for (const { from, into } of pairs) {
    members.get(into)!.push(from);
    members.delete(from);
  }
  const total = (rows: readonly number[]) => rows.reduce((sum, row) => sum + sizes[row]!, 0);
  const sums = [...members].map(([anchor, rows]): WeightedSum => {
    const size = total(rows);
    return { anchor, terms: rows.map((row) => [row, sizes[row]! / size]) };
  });
  return {
    reduction: createReduction(n, sums),
    sizes: Float32Array.from(members.values(), total),
  };
}

/** A row of even number and the row of odd number that is most similar. */
export interface MatchedPair {
  readonly from: number;
  readonly into: number;
  /** Their cosine. */
  readonly similarity: number;
}

/**
 * The pairs that {@link mergeBipartite} merges, the most similar first; of equal ones the lower row.
 *
 * @throws `InferenceError` `shape` or `range` for buffers and numbers that do not fit.
 */
export function matchBipartite(
  metric: Matrix,
  count: number,
  { classToken = false, minSimilarity = -1, gram }: Omit<MergeBipartiteOptions, "sizes"> = {},
): MatchedPair[] {
  expectFinite("metric", metric);
  expectInteger("count", count, 0);
  const most = Math.max(0, Math.floor((metric.rows - (classToken ? 1 : 0)) / 2));
  return findPairs(metric, classToken ? 2 : 0, gram)
    .filter((pair) => pair.similarity >= minSimilarity)
    .sort((a, b) => b.similarity - a.similarity || a.from - b.from)
    .slice(0, Math.min(count, most));
}

/** For every even row from `first`, the odd row that is most similar. */
function findPairs(metric: Matrix, first: number, gram?: Matrix): MatchedPair[] {
  const pairs: MatchedPair[] = [];
  const { rows } = metric;
  if (rows < 2) return pairs;
  const products = new RowProducts(metric, gram);
  const odd = Uint32Array.from({ length: rows >> 1 }, (_, i) => 2 * i + 1);
  for (let from = first; from < rows; from += 2) {
    const into = odd[products.mostSimilar(from, odd)]!;
    // Rounding can put a cosine a little outside its interval.
    pairs.push({ from, into, similarity: Math.max(-1, products.between(from, into)) });
  }
  return pairs;
}

/**
 * How many rows each of `layers` merges: `r` on average, falling linearly for `inflect` -1, constant
 * for 0, rising for 1. Truncated as in the reference, so that the sum can be below `layers · r`.
 *
 * @throws `InferenceError` `range` for what is no count or an `inflect` outside `[-1, 1]`.
 */
export function mergeSchedule(layers: number, r: number, inflect: -1 | 0 | 1 = 0): number[] {
  expectInteger("layers", layers, 1);
  expectInteger("r", r, 0);
  expectInteger("inflect", inflect, -1, 1);
  const low = Math.trunc(r * (1 - inflect));
  const high = 2 * r - low;
  const step = layers === 1 ? 0 : (high - low) / (layers - 1);
  return Array.from({ length: layers }, (_, layer) => Math.trunc(low + step * layer));
}
