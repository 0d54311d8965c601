import { type Matrix, topIndices, wideDot } from "@frugal/core";

import { expectFinite, expectInteger, expectNumber } from "../expect.ts";
import { unitRows } from "./unit-rows.ts";

/**
 * DyCoke, first stage: of every four frames the first stays whole. The second and the fourth lose the
 * cells that resemble most those of the frame before, the third those that resemble the first.
 *
 * _Shapes_: `features` (frames · `perFrame`) × d, frame by frame. _Cost_: O(n · d).
 *
 * @param pruned the part of a frame that is left out, by cosine with the same cell; what stays is
 *   truncated to whole cells. Default 0.7.
 * @returns the chosen rows, ascending.
 * @throws `InferenceError` `range` for features that are not finite, a part outside `[0, 1]`, or rows
 *   that are no whole frames.
 * @see DyCoke (Tao et al.), arXiv:2411.15024; `docs/algorithms/changed-cells.md`
 */
export function selectByFrameGroups(
  features: Matrix,
  perFrame: number,
  pruned: number = 0.7,
): Uint32Array {
  expectFinite("features", features);
  expectInteger("perFrame", perFrame, 1);
  expectInteger("frames", features.rows / perFrame, 0);
  expectNumber("pruned", pruned, 0, 1);
  const unit = unitRows(features);
  const count = Math.trunc((1 - pruned) * perFrame);
  const kept: number[] = [];
  for (let frame = 0; frame * perFrame < unit.rows; frame++) {
    const first = frame * perFrame;
    // The frame that this one is compared with: 1 with 0, 2 with 0, 3 with 2.
    const back = frame % 4 === 2 ? 2 : 1;
    const cells =
      frame % 4 === 0
        ? Array.from({ length: perFrame }, (_, cell) => cell)
        : leastSimilarCells(unit, first, first - back * perFrame, perFrame, count);
    for (const cell of cells) kept.push(first + cell);
  }
  return Uint32Array.from(kept);
}

function leastSimilarCells(
  { data, cols }: Matrix,
  first: number,
  reference: number,
  perFrame: number,
  count: number,
): Uint32Array {
  const distance = Float64Array.from({ length: perFrame }, (_, cell) => {
    return -wideDot(data, (first + cell) * cols, data, (reference + cell) * cols, cols);
  });
  return topIndices(distance, 0, perFrame, count);
}
