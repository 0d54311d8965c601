import { InferenceError, type Matrix, topIndices } from "@frugal/core";

import { expectFinite, expectInteger, expectNumber } from "../expect.ts";
import type { CellGrid } from "../tiles/unpad.ts";
import { createReduction, type Reduction, type WeightedSum } from "./reduction.ts";
import { unitRows } from "./unit-rows.ts";

/** Options of {@link mergeWindows}. */
export interface MergeWindowsOptions {
  /** Cells on a side of a window. Default 3. */
  readonly side?: number;
  /** A window whose cells have at least this cosine, on average over all pairs, is merged. Default 0.6. */
  readonly threshold?: number;
  /** Merges this many windows, those whose cells are most alike, whatever the threshold. */
  readonly count?: number;
}

/**
 * MustDrop, first stage: cuts a grid into windows and merges those whose cells look alike into their
 * mean, which takes the place of the window's last cell. Ties go to the earlier window.
 *
 * _Shapes_: `features` (rows · cols of `grid`) × d, in raster order. _Cost_: O(n · d): the mean cosine of
 * a window comes from the sum of its unit rows.
 *
 * Deviations: rows come out in the order of the image, where the reference puts merged ones first. It
 * also merges inside the encoder, behind one of its blocks; call this with the hidden states to do so.
 *
 * @throws {@link InferenceError} `shape` or `range` for features that do not fit or a bad option;
 *   `range` for a window that does not divide the grid.
 * @see MustDrop (Liu et al.), arXiv:2411.10803; ModelTC/LightCompress (Apache-2.0),
 *   `llmc/compression/token_reduction/mustdrop.py`; `docs/algorithms/bipartite-merging.md`
 */
export function mergeWindows(
  features: Matrix,
  grid: CellGrid,
  { side = 3, threshold = 0.6, count }: MergeWindowsOptions = {},
): Reduction {
  expectFinite("features", features);
  expectInteger("side", side, 2);
  expectInteger("rows / side", grid.rows / side, 1);
  expectInteger("cols / side", grid.cols / side, 1);
  expectNumber("threshold", threshold, -1, 1);
  if (features.rows !== grid.rows * grid.cols) {
    throw new InferenceError(
      "shape",
      `features: expected ${grid.rows} x ${grid.cols} rows, got ${features.rows}`,
    );
  }
  const windows = windowsOf(grid, side);
  if (count !== undefined) expectInteger("count", count, 0, windows.length);
  const unit = unitRows(features);
  const similarity = Float64Array.from(windows, (cells) => meanCosine(unit, cells));
  const alike = similarity.filter((value) => value >= threshold).length;
  const merged = new Set(topIndices(similarity, 0, windows.length, count ?? alike));
  const sums = windows.flatMap((cells, i): WeightedSum[] => {
    if (!merged.has(i)) return cells.map((cell) => ({ anchor: cell, terms: [[cell, 1]] }));
    return [{ anchor: cells.at(-1)!, terms: cells.map((cell) => [cell, 1 / cells.length]) }];
  });
  return createReduction(features.rows, sums);
}

function windowsOf({ rows, cols }: CellGrid, side: number): number[][] {
  const windows: number[][] = [];
  for (let top = 0; top < rows; top += side) {
    for (let left = 0; left < cols; left += side) {
      windows.push(
        Array.from({ length: side * side }, (_, i) => {
          return (top + Math.floor(i / side)) * cols + left + (i % side);
        }),
      );
    }
  }
  return windows;
}

/** Over pairs of different cells. The square of a sum is the sum over all pairs. */
function meanCosine({ data, cols }: Matrix, cells: readonly number[]): number {
  let all = 0;
  let own = 0;
  for (let c = 0; c < cols; c++) {
    let sum = 0;
    for (const cell of cells) {
      const x = data[cell * cols + c]!;
      sum += x;
      own += x * x;
    }
    all += sum * sum;
  }
  return (all - own) / (cells.length * (cells.length - 1));
}
