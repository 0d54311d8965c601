import type { Matrix } from "@frugal/core";

import { expectFinite, expectInteger, expectLength, expectNumbers } from "../expect.ts";
import {
  type BipartiteMerge,
  type MatchedPair,
  matchBipartite,
  type MergeBipartiteOptions,
  mergeMatched,
} from "../select/merge-bipartite.ts";
import { applyReduction } from "../select/reduction.ts";
import { applyNorm, type LayerNorm } from "./trained-layers.ts";

/** Trained parameters of {@link modulateRows}: of one layer, and of as many rows as it merges. */
export interface ModulationParams {
  /** One number per merged row, the one of the best pair first: `pyra_a`. */
  readonly byRow: Float32Array;
  /** One per column: `pyra_b`. Zeros change nothing. */
  readonly byColumn: Float32Array;
  /** `pyra_norm`. */
  readonly norm: LayerNorm;
}

/** Rows that were merged after they were modulated. */
export interface ModulatedMerge extends BipartiteMerge {
  /** What the rows became; the reduction says who joined whom, not with what values. */
  readonly rows: Matrix;
}

/**
 * PYRA: changes rows that are about to be merged. With `z` the norm of the sum of a row and the one it
 * joins: `from + from ⊙ 2σ(aᵀz) · (2σ(z b) − 1)`.
 *
 * @param from rows that are merged away, times their sizes, the best pair first.
 * @param into the rows that they join, times their sizes.
 * @returns as many rows as `from`, none more than three times as long, new.
 * @throws {@link InferenceError} `shape` or `range` for what does not fit.
 * @see PYRA (Xiong et al.), arXiv:2403.09192; THU-MIG/PYRA, `adaptive_merge.py`;
 *   `docs/algorithms/trained-reductions.md`
 */
export function modulateRows(
  from: Matrix,
  into: Matrix,
  { byRow, byColumn, norm }: ModulationParams,
): Matrix {
  const { data, rows, cols } = from;
  expectFinite("from", from);
  expectFinite("into", into);
  expectLength("into", into.data, data.length);
  expectLength("byRow", byRow, rows);
  expectLength("byColumn", byColumn, cols);
  const sums = { data: data.map((value, i) => value + into.data[i]!), rows, cols };
  const z = applyNorm(sums, norm, "norm").data;
  const columns = new Float64Array(cols);
  const out = new Float32Array(data.length);
  for (let i = 0; i < z.length; i++) columns[i % cols]! += byRow[Math.floor(i / cols)]! * z[i]!;
  for (let c = 0; c < cols; c++) columns[c] = 2 * sigmoid(columns[c]!);
  for (let start = 0; start < out.length; start += cols) {
    let sum = 0;
    for (let c = 0; c < cols; c++) sum += z[start + c]! * byColumn[c]!;
    const factor = 2 * sigmoid(sum) - 1;
    for (let c = 0; c < cols; c++) {
      out[start + c] = data[start + c]! * (1 + columns[c]! * factor);
    }
  }
  return { data: out, rows, cols };
}

/**
 * `mergeBipartite` of rows that are modulated first: what a layer trained with PYRA does. How many rows
 * are merged is a part of the training.
 *
 * @param metric what rows are compared by: the layer's keys, averaged over heads.
 * @param x the rows.
 * @throws {@link InferenceError} `shape` or `range` for what does not fit; `range` also if fewer rows
 *   can be merged than there are parameters for.
 */
export function mergeModulated(
  metric: Matrix,
  x: Matrix,
  params: ModulationParams,
  options: Omit<MergeBipartiteOptions, "minSimilarity"> = {},
): ModulatedMerge {
  const { sizes = new Float32Array(metric.rows).fill(1) } = options;
  const count = params.byRow.length;
  expectFinite("x", x);
  expectLength("x", { length: x.rows }, metric.rows);
  expectLength("sizes", sizes, x.rows);
  expectNumbers("sizes", sizes, Number.MIN_VALUE);
  const pairs = matchBipartite(metric, count, options);
  expectInteger("rows that can be merged", pairs.length, count);
  const from = weightedRows(x, sizes, pairs, "from");
  const changed = modulateRows(from, weightedRows(x, sizes, pairs, "into"), params);
  const data = x.data.slice();
  for (const [i, pair] of pairs.entries()) {
    for (let c = 0; c < x.cols; c++) {
      // Only the change is divided, so that no change leaves a row as it is.
      const change = changed.data[i * x.cols + c]! - from.data[i * x.cols + c]!;
      data[pair.from * x.cols + c]! += change / sizes[pair.from]!;
    }
  }
  const merge = mergeMatched(x.rows, pairs, sizes);
  return { ...merge, rows: applyReduction(merge.reduction, { ...x, data }) };
}

/** One side of pairs, each row times its size. */
function weightedRows(
  { data, cols }: Matrix,
  sizes: Float32Array,
  pairs: readonly MatchedPair[],
  side: "from" | "into",
): Matrix {
  const out = new Float32Array(pairs.length * cols);
  for (const [i, pair] of pairs.entries()) {
    const row = pair[side];
    for (let c = 0; c < cols; c++) out[i * cols + c] = data[row * cols + c]! * sizes[row]!;
  }
  return { data: out, rows: pairs.length, cols };
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
