import { InferenceError, type Matrix, softmax } from "@frugal/core";

import { expectFinite, expectInteger, expectLength, expectNumber } from "../expect.ts";
import { averagePool } from "../grid/average-pool.ts";
import { applyReduction } from "../select/reduction.ts";
import type { CellGrid } from "../tiles/unpad.ts";

/** Options of {@link clusterRows}. */
export interface ClusterRowsOptions {
  /** Default 5. */
  readonly iterations?: number;
  /** Factor of squared distances: the lower, the softer. Default 0.01. */
  readonly temperature?: number;
  /** Odd: a centre draws from that many cells of centres on a side. Default 5. */
  readonly window?: number;
}

/**
 * Expedit's clustering layer: soft k-means of the rows of a grid, from a pooled grid of centres, each of
 * which draws from the cells around it only.
 *
 * _Cost_: for each iteration and row `window²` products at most.
 *
 * @param x one row per cell, in raster order.
 * @returns one row per centre, in raster order, new.
 * @throws {@link InferenceError} `shape` or `range` for buffers and numbers that do not fit.
 * @see Expedit (Liang et al.), arXiv:2210.01035; Expedit-SAM, `TokenClusteringBlock`;
 *   `docs/algorithms/token-clustering.md`
 */
export function clusterRows(
  x: Matrix,
  grid: CellGrid,
  clusters: CellGrid,
  { iterations = 5, temperature = 0.01, window = 5 }: ClusterRowsOptions = {},
): Matrix {
  expectFinite("x", x);
  expectLength("x", { length: x.rows }, grid.rows * grid.cols);
  expectInteger("iterations", iterations, 0);
  expectNumber("temperature", temperature, Number.MIN_VALUE, Number.MAX_VALUE);
  expectInteger("window", window, 1);
  if (window % 2 === 0) {
    throw new InferenceError("range", `window: expected an odd number, got ${window}`);
  }
  const centres = applyReduction(averagePool(grid, clusters), x);
  const near = centresInReach(grid, clusters, (window - 1) / 2);
  const sums = new Float64Array(centres.data.length);
  const totals = new Float64Array(centres.rows);
  const shares = new Float64Array(window * window);
  for (let i = 0; i < iterations; i++) {
    sums.fill(0);
    totals.fill(0);
    for (let row = 0; row < x.rows; row++) {
      const reach = near[row]!;
      const own = shares.subarray(0, reach.length);
      for (let j = 0; j < reach.length; j++) {
        own[j] = -temperature * distanceBetween(x, row, centres, reach[j]!);
      }
      softmax(own, own);
      spread(x, row, reach, own, sums, totals);
    }
    for (let centre = 0; centre < centres.rows; centre++) {
      const total = Math.max(totals[centre]!, 1e-16);
      for (let c = centre * x.cols; c < (centre + 1) * x.cols; c++) {
        centres.data[c] = sums[c]! / total;
      }
    }
  }
  return centres;
}

/** For every cell, the centres whose own cell is at most `reach` away, ascending. */
function centresInReach(grid: CellGrid, clusters: CellGrid, reach: number): Uint32Array[] {
  const near: Uint32Array[] = [];
  for (let cell = 0; cell < grid.rows * grid.cols; cell++) {
    const y = Math.floor((Math.floor(cell / grid.cols) * clusters.rows) / grid.rows);
    const x = Math.floor(((cell % grid.cols) * clusters.cols) / grid.cols);
    const centres: number[] = [];
    for (let r = Math.max(0, y - reach); r <= Math.min(clusters.rows - 1, y + reach); r++) {
      for (let c = Math.max(0, x - reach); c <= Math.min(clusters.cols - 1, x + reach); c++) {
        centres.push(r * clusters.cols + c);
      }
    }
    near.push(Uint32Array.from(centres));
  }
  return near;
}

/** Adds a row to the sums of its centres, by its shares in them. */
function spread(
  { data, cols }: Matrix,
  row: number,
  centres: Uint32Array,
  shares: Float64Array,
  sums: Float64Array,
  totals: Float64Array,
): void {
  for (let i = 0; i < centres.length; i++) {
    const [centre, share] = [centres[i]!, shares[i]!];
    totals[centre]! += share;
    for (let c = 0; c < cols; c++) sums[centre * cols + c]! += share * data[row * cols + c]!;
  }
}

/** The squared Euclidean distance of a row of `a` and one of `b`, in float64. */
export function distanceBetween(a: Matrix, row: number, b: Matrix, other: number): number {
  const { cols } = a;
  let sum = 0;
  for (let x = row * cols, y = other * cols; x < (row + 1) * cols; x++, y++) {
    sum += (a.data[x]! - b.data[y]!) ** 2;
  }
  return sum;
}
