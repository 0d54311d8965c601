import type { Matrix } from "@frugal/core";

import { expectFinite, expectInteger } from "../expect.ts";
import { RowSketch } from "../select/row-sketch.ts";
import { findNearestRows, type NearestRows } from "./nearest-rows.ts";
import { squaredDistance } from "./squared-distance.ts";

/** Rows in groups, each around one of them. */
export interface Clusters {
  /** The rows that groups were built around, ascending. */
  readonly centers: Uint32Array;
  /** For every row, its group: an index into `centers`. */
  readonly labels: Uint32Array;
}

/** {@link Clusters}, and what the centres were chosen by. */
export interface DensityPeaks extends Clusters {
  /** Of every row, `exp(-mean)` of the squared distances to its nearest rows. */
  readonly density: Float64Array;
  /** Of every row, the distance to the nearest denser row. */
  readonly separation: Float64Array;
}

/**
 * DPC-KNN: centres are the `count` rows that are dense and far from denser ones, by the product of the
 * two; every other row joins its nearest centre. Distances are Euclidean, over the root of the width.
 *
 * A row is denser than another of the same density if its index is lower; the reference adds random
 * numbers for that. The densest row has no denser one and takes its largest distance; the reference
 * takes the largest of all, which gives the same centres. Products are compared as logarithms, so that
 * densities too small for a number still count. Ties go to the lower index.
 *
 * _Shapes_: `features` n × d. _Cost_: at most n² / 2 + n · count distances, most of them given up early,
 * and the rest of n for every row that has no denser one among its nearest. n · k numbers of scratch.
 *
 * @param neighbors how many nearest rows, the row itself included, say how dense it is. Default 5.
 * @throws `InferenceError` `shape` or `range` for features that do not fit; `range` for no neighbour or
 *   a count outside `[1, n]`, or above 0 of no rows.
 * @see Du et al., "Study on density peaks clustering based on k-nearest neighbors" (2016);
 *   `docs/algorithms/density-peaks.md`
 */
export function clusterDensityPeaks(
  features: Matrix,
  count: number,
  neighbors: number = 5,
): DensityPeaks {
  const n = features.rows;
  expectFinite("features", features);
  expectInteger("count", count, Math.min(1, n), n);
  expectInteger("neighbors", neighbors, 1);
  const sketch = RowSketch.of(features);
  const nearest = findNearestRows(features, Math.min(neighbors, n), sketch);
  const logDensity = logDensities(nearest, features.cols);
  const separation = separations(features, nearest, logDensity, sketch);
  const scores = separation.map((distance, i) => Math.log(distance) + logDensity[i]!);
  const centers = indicesByRank(scores).slice(0, count).sort();
  const labels = nearestCenters(features, centers, sketch);
  return { centers, labels, density: logDensity.map(Math.exp), separation };
}

function logDensities({ k, squares }: NearestRows, cols: number): Float64Array {
  return Float64Array.from({ length: k === 0 ? 0 : squares.length / k }, (_, row) => {
    let sum = 0;
    for (let i = row * k; i < (row + 1) * k; i++) sum += squares[i]!;
    return -sum / (k * cols);
  });
}

function separations(
  features: Matrix,
  nearest: NearestRows,
  logDensity: Float64Array,
  sketch: RowSketch | null,
): Float64Array {
  const { data, cols } = features;
  const order = indicesByRank(logDensity);
  const rank = new Uint32Array(order.length);
  for (const [place, row] of order.entries()) rank[row] = place;
  const out = new Float64Array(order.length);
  for (const [place, row] of order.entries()) {
    let square = nearestDenser(nearest, rank, row);
    if (place === 0) {
      square = 0;
      for (const other of order) {
        square = Math.max(square, squaredDistance(data, row * cols, other * cols, cols));
      }
    } else if (square === Infinity) {
      for (let i = 0; i < place; i++) {
        const other = order[i]!;
        if (sketch !== null && sketch.squareAtLeast(row, other) > square) continue;
        square = Math.min(square, squaredDistance(data, row * cols, other * cols, cols, square));
      }
    }
    out[row] = Math.sqrt(square / cols);
  }
  return out;
}

/** The squared distance to the nearest denser row, if one is among the nearest rows. */
function nearestDenser({ k, rows, squares }: NearestRows, rank: Uint32Array, row: number): number {
  for (let i = row * k + 1; i < (row + 1) * k; i++) {
    if (rank[rows[i]!]! < rank[row]!) return squares[i]!;
  }
  return Infinity;
}

/** All indices, those of the largest values first, of equal ones the lower. */
function indicesByRank(values: Float64Array): Uint32Array {
  const order = Uint32Array.from(values.keys());
  return order.sort((a, b) => {
    const [x, y] = [values[a]!, values[b]!];
    return x === y ? a - b : y > x ? 1 : -1;
  });
}

/** For every row, which of the centres is nearest; of equal ones the first. A centre is its own. */
function nearestCenters(
  { data, rows, cols }: Matrix,
  centers: Uint32Array,
  sketch: RowSketch | null,
): Uint32Array {
  const labels = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) {
    let least = Infinity;
    for (const [label, center] of centers.entries()) {
      if (sketch !== null && sketch.squareAtLeast(row, center) > least) continue;
      const square = squaredDistance(data, row * cols, center * cols, cols, least);
      if (square < least) [labels[row], least] = [label, square];
    }
  }
  for (const [label, center] of centers.entries()) labels[center] = label;
  return labels;
}
