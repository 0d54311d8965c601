import type { Matrix } from "@frugal/core";

import { expectFinite, expectInteger, expectLength } from "../expect.ts";
import { outlierRatio } from "./outlier-ratio.ts";
import { createReduction, type Reduction, type WeightedSum } from "./reduction.ts";
import { RowProducts } from "./row-products.ts";
import { selectByAttention } from "./select-by-attention.ts";

/** Options of {@link mergeIntoOutliers}. */
export interface MergeIntoOutliersOptions {
  /** How many rows are added to each centre. Default 32. */
  readonly neighbors?: number;
  /** PruMerge+: also takes centres at equal steps over the image. Default false. */
  readonly uniform?: boolean;
  /** Products of all pairs of rows of `unitRows(keys)`, if they are at hand: `Kernels.gram`. */
  readonly gram?: Matrix;
}

/**
 * LLaVA-PruMerge: the image decides how many rows stay. Centres are as many as there are outliers
 * among the attentions of the class token; each takes up the rows with the most similar keys, weighted
 * by their attention. One row more, in the place of the last that is no centre, is the sum of all that
 * are none.
 *
 * _Shapes_: `attention` n, `keys` n × d. _Cost_: O(centres · n · d). Weights of a row sum to more than
 * 1. Deviation: rows come out in the order of the image.
 *
 * @throws `InferenceError` `shape` if attention and keys differ in rows; `range` for numbers that are
 *   not finite or a bad option.
 * @see LLaVA-PruMerge (Shang et al.), arXiv:2403.15388; `docs/algorithms/dominant-tokens.md`
 */
export function mergeIntoOutliers(
  attention: Float32Array,
  keys: Matrix,
  { neighbors = 32, uniform = false, gram }: MergeIntoOutliersOptions = {},
): Reduction {
  expectFinite("keys", keys);
  expectLength("attention", attention, keys.rows);
  expectInteger("neighbors", neighbors, 0);
  const centers = chooseCenters(attention, uniform);
  const products = new RowProducts(keys, gram);
  const all = Uint32Array.from(attention.keys());
  const sums = centers.map((center): WeightedSum => {
    const similar = products.nearest(center, all, neighbors);
    return { anchor: center, terms: [[center, 1], ...weighted(similar, attention)] };
  });
  const isCenter = new Set(centers);
  const rest = Array.from(attention.keys()).filter((row) => !isCenter.has(row));
  if (rest.length > 0) sums.push({ anchor: rest.at(-1)!, terms: weighted(rest, attention) });
  return createReduction(keys.rows, sums);
}

function chooseCenters(attention: Float32Array, uniform: boolean): number[] {
  const ratio = outlierRatio(attention);
  const outliers = selectByAttention(attention, Math.trunc(attention.length * ratio));
  const centers = new Set(outliers);
  if (uniform && ratio > 0) {
    const step = Math.max(1, Math.trunc(Math.trunc(1 / ratio) / 3));
    for (let row = 0; row < attention.length; row += step) centers.add(row);
  }
  return [...centers].sort((a, b) => a - b);
}

function weighted(rows: Iterable<number>, attention: Float32Array): [number, number][] {
  return Array.from(rows, (row) => [row, attention[row]!]);
}
