import { InferenceError } from "@frugal/core";

import { expectInteger } from "../expect.ts";
import { createReduction, type Reduction, type WeightedSum } from "../select/reduction.ts";
import type { CellGrid } from "../tiles/unpad.ts";

/**
 * Adaptive average pooling of a grid to fewer cells, as PyTorch does it: on an axis of `N` cells, cell
 * `i` of `n` is the mean of those from `floor(i N / n)` up to, not including, `ceil((i + 1) N / n)`.
 * Cells overlap where `n` does not divide `N`.
 *
 * The result takes no features: `applyReduction` pools as many grids with it as there are.
 *
 * _Cost_: O(cells of `from`).
 *
 * @param from cells before, in raster order.
 * @param to cells after.
 * @throws {@link InferenceError} `range` for a side that is not positive or becomes longer.
 * @see `docs/algorithms/grid-operators.md`
 */
export function averagePool(from: CellGrid, to: CellGrid): Reduction {
  const rows = binsOf("rows", from.rows, to.rows);
  const cols = binsOf("cols", from.cols, to.cols);
  const sums: WeightedSum[] = [];
  for (const [top, bottom] of rows) {
    for (const [left, right] of cols) {
      const weight = 1 / ((bottom - top) * (right - left));
      const terms: [number, number][] = [];
      for (let row = top; row < bottom; row++) {
        for (let col = left; col < right; col++) terms.push([row * from.cols + col, weight]);
      }
      const anchor = ((top + bottom - 1) >> 1) * from.cols + ((left + right - 1) >> 1);
      sums.push({ anchor, terms });
    }
  }
  return createReduction(from.rows * from.cols, sums);
}

/** What each cell after is the mean of, on one axis: from, and up to. */
function binsOf(axis: "rows" | "cols", before: number, after: number): [number, number][] {
  expectInteger(axis, before, 1);
  expectInteger(axis, after, 1);
  if (after > before) {
    throw new InferenceError(
      "range",
      `${axis}: expected at most ${before} to pool to, got ${after}`,
    );
  }
  return Array.from({ length: after }, (_, i) => [
    Math.floor((i * before) / after),
    Math.ceil(((i + 1) * before) / after),
  ]);
}
