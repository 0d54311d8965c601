import { type Matrix } from "@frugal/core";

import { expectFinite, expectInteger, expectLength, expectNumber } from "../expect.ts";
import { distanceBetween } from "./cluster-rows.ts";

/** Options of {@link reconstructRows}. */
export interface ReconstructRowsOptions {
  /** Clusters that a row is made of; ties at the last one are kept. Default 20, or all. */
  readonly neighbours?: number;
  /** As in clustering. Default 0.01. */
  readonly temperature?: number;
  /** What the weights of a row are divided by: their sum, or as the released code does, their norm. */
  readonly norm?: "l1" | "l2";
}

/**
 * Expedit's reconstruction layer: every row as a mean of what became of the clusters that were nearest
 * to it, weighted by `exp(-temperature · distance²)`.
 *
 * _Cost_: one product per row and cluster, twice.
 *
 * Deviations: the default divides weights by their sum, which keeps a constant map; the released code
 * divides by their Euclidean norm (`"l2"`), which scales it by up to the square root of `neighbours`.
 * Weights are taken relative to the largest, so that far clusters do not all underflow to zero.
 *
 * @param before the rows that were clustered.
 * @param centres what `clusterRows` made of them.
 * @param after what the layers made of the centres.
 * @returns as many rows as `before`, new.
 * @throws {@link InferenceError} `shape` or `range` for buffers and numbers that do not fit.
 * @see Expedit-SAM, `TokenReconstructionBlock`
 */
export function reconstructRows(
  before: Matrix,
  centres: Matrix,
  after: Matrix,
  options: ReconstructRowsOptions = {},
): Matrix {
  const { neighbours = Math.min(20, centres.rows), temperature = 0.01, norm = "l1" } = options;
  for (const [name, matrix] of Object.entries({ before, centres, after })) {
    expectFinite(name, matrix);
  }
  expectLength("after", { length: after.rows }, centres.rows);
  expectLength("centres", { length: centres.cols }, before.cols);
  expectInteger("neighbours", neighbours, 1, centres.rows);
  expectNumber("temperature", temperature, Number.MIN_VALUE, Number.MAX_VALUE);
  const out = new Float32Array(before.rows * after.cols);
  const sum = new Float64Array(after.cols);
  const closeness = new Float64Array(centres.rows);
  const sorted = new Float64Array(centres.rows);
  for (let row = 0; row < before.rows; row++) {
    for (let centre = 0; centre < centres.rows; centre++) {
      closeness[centre] = -temperature * distanceBetween(before, row, centres, centre);
    }
    sorted.set(closeness);
    sorted.sort();
    const [last, most] = [sorted.at(-neighbours)!, sorted.at(-1)!];
    let total = 0;
    for (let centre = 0; centre < centres.rows; centre++) {
      const isNear = closeness[centre]! >= last;
      const weight = isNear ? Math.exp(closeness[centre]! - most) : 0;
      closeness[centre] = weight;
      total += norm === "l1" ? weight : weight * weight;
    }
    const by = norm === "l1" ? total : Math.sqrt(total);
    sum.fill(0);
    for (let centre = 0; centre < centres.rows; centre++) {
      const weight = closeness[centre]! / by;
      if (weight === 0) continue;
      const from = centre * after.cols;
      for (let c = 0; c < after.cols; c++) sum[c]! += weight * after.data[from + c]!;
    }
    out.set(sum, row * after.cols);
  }
  return { data: out, rows: before.rows, cols: after.cols };
}
