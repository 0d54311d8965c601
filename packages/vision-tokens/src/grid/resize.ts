import { InferenceError, type Matrix } from "@frugal/core";

import { expectInteger } from "../expect.ts";
import type { CellGrid } from "../tiles/unpad.ts";

/**
 * Bilinear resizing of a grid, larger or smaller, as PyTorch does it with `align_corners=False` and
 * without antialiasing: cell `i` of `n` lies at `(i + 0.5) N / n - 0.5` of the `N` before, but not
 * below 0, and is mixed from the two next to it. Halving a grid gives the means of 2 × 2 cells.
 *
 * _Shapes_: `features` (rows · cols of `from`) × d, in raster order. _Cost_: O(cells of `to` · d).
 *
 * @returns a row per cell of `to`, new. Products are float64, rounded once.
 * @throws {@link InferenceError} `range` for a side that is not positive; `shape` if features and
 *   `from` differ in cells.
 * @see `docs/algorithms/grid-operators.md`
 */
export function resizeBilinear(features: Matrix, from: CellGrid, to: CellGrid): Matrix {
  const { data, cols: d } = features;
  const out = createGrid(features, from, to);
  const [rows, cols] = [samplesOf(from.rows, to.rows), samplesOf(from.cols, to.cols)];
  let at = 0;
  for (const [top, bottom, v] of rows) {
    for (const [left, right, u] of cols) {
      const a = (top * from.cols + left) * d;
      const b = (top * from.cols + right) * d;
      const c = (bottom * from.cols + left) * d;
      const e = (bottom * from.cols + right) * d;
      for (let i = 0; i < d; i++) {
        const upper = (1 - u) * data[a + i]! + u * data[b + i]!;
        const lower = (1 - u) * data[c + i]! + u * data[e + i]!;
        out.data[at++] = (1 - v) * upper + v * lower;
      }
    }
  }
  return out;
}

/**
 * Resizing of a grid without mixing: cell `i` of `n` is cell `floor(i N / n)` of the `N` before.
 *
 * _Shapes_, _cost_, and errors are those of {@link resizeBilinear}.
 */
export function resizeNearest(features: Matrix, from: CellGrid, to: CellGrid): Matrix {
  const { data, cols: d } = features;
  const out = createGrid(features, from, to);
  for (let cell = 0; cell < out.rows; cell++) {
    const row = Math.floor((Math.floor(cell / to.cols) * from.rows) / to.rows);
    const col = Math.floor(((cell % to.cols) * from.cols) / to.cols);
    const source = (row * from.cols + col) * d;
    out.data.set(data.subarray(source, source + d), cell * d);
  }
  return out;
}

function createGrid(features: Matrix, from: CellGrid, to: CellGrid): Matrix {
  for (const { rows, cols } of [from, to]) {
    expectInteger("rows", rows, 1);
    expectInteger("cols", cols, 1);
  }
  if (features.rows !== from.rows * from.cols) {
    throw new InferenceError(
      "shape",
      `features: expected ${from.rows} x ${from.cols} rows, got ${features.rows}`,
    );
  }
  const rows = to.rows * to.cols;
  return { data: new Float32Array(rows * features.cols), rows, cols: features.cols };
}

/** For every cell after, the two before between which it lies, and how far it is towards the second. */
function samplesOf(before: number, after: number): [number, number, number][] {
  return Array.from({ length: after }, (_, i) => {
    const place = Math.max(0, ((i + 0.5) * before) / after - 0.5);
    const low = Math.min(Math.floor(place), before - 1);
    return [low, Math.min(low + 1, before - 1), place - low];
  });
}
