import { type Matrix, topIndices, wideDot } from "@frugal/core";

import { expectFinite, expectInteger, expectNumber } from "../expect.ts";
import { unitRows } from "./unit-rows.ts";

/**
 * Efficient video sampling: keeps the whole first frame and, of the others, the cells that changed
 * most since the frame before, by cosine. Ties go to the earlier cell.
 *
 * _Shapes_: `features` (frames · `perFrame`) × d, frame by frame. _Cost_: O(n · d).
 *
 * @param pruned the part of all rows that is left out; a whole frame always stays.
 * @returns the chosen rows, ascending: at least `perFrame`, and rounded down.
 * @throws `InferenceError` `range` for features that are not finite, a part outside `[0, 1]`, or rows
 *   that are no whole frames.
 * @see vllm-project/vllm, `vllm/multimodal/evs.py`; `docs/algorithms/changed-cells.md`
 */
export function selectChanged(features: Matrix, perFrame: number, pruned: number): Uint32Array {
  expectFinite("features", features);
  expectInteger("perFrame", perFrame, 1);
  expectInteger("frames", features.rows / perFrame, 0);
  expectNumber("pruned", pruned, 0, 1);
  const { data, rows, cols } = unitRows(features);
  const change = Float64Array.from({ length: rows }, (_, row) => {
    const before = row - perFrame;
    if (before < 0) return Infinity;
    return 1 - wideDot(data, row * cols, data, before * cols, cols);
  });
  const count = Math.max(perFrame, Math.trunc(rows * (1 - pruned)));
  return topIndices(change, 0, rows, count);
}
