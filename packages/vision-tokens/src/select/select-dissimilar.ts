import { InferenceError, type Matrix, topIndices, wideDot } from "@frugal/core";

import { expectFinite, expectNumber } from "../expect.ts";
import { unitRows } from "./unit-rows.ts";

/**
 * DART: keeps a few visual tokens as pivots and, for each pivot of image and text, those that resemble
 * it least. Pivots are the four rows of each with the largest sum of absolute values.
 *
 * Pivots of the image take their share first, then those of the text, each in ascending order and
 * without replacement; the reference leaves the order to a hash set. Ties go to the lower index.
 *
 * _Shapes_: `visual` n × d, `text` m × d; keys of a decoder layer, or features and embeddings. _Cost_:
 * O(n · d · pivots).
 *
 * @param pruned the part to leave out; each pivot takes `trunc(n (1 - pruned) / pivots)` rows.
 * @returns the chosen rows, ascending.
 * @throws {@link InferenceError} `shape` if widths differ; `range` for numbers that are not finite or a
 *   part outside `[0, 1]`.
 * @see DART (Wen et al.), arXiv:2502.11494; `docs/algorithms/dissimilar-tokens.md`
 */
export function selectDissimilar(visual: Matrix, text: Matrix, pruned: number): Uint32Array {
  expectFinite("visual", visual);
  expectFinite("text", text);
  expectNumber("pruned", pruned, 0, 1);
  if (visual.cols !== text.cols) {
    throw new InferenceError("shape", `text: expected ${visual.cols} columns, got ${text.cols}`);
  }
  const unit = unitRows(visual);
  const unitText = unitRows(text);
  const ownPivots = largestRows(visual, 4);
  const textPivots = largestRows(text, 4);
  const share = Math.trunc(
    (visual.rows * (1 - pruned)) / Math.max(1, ownPivots.length + textPivots.length),
  );
  const kept = new Set(ownPivots);
  const take = (pivots: Matrix, pivot: number): void => {
    const free = Math.min(share, visual.rows - kept.size);
    for (const row of leastSimilar(unit, pivots, pivot, kept, free)) kept.add(row);
  };
  for (const pivot of ownPivots) take(unit, pivot);
  for (const pivot of textPivots) take(unitText, pivot);
  return Uint32Array.from(kept).sort();
}

function largestRows({ data, rows, cols }: Matrix, count: number): Uint32Array {
  const norms = Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let i = row * cols; i < (row + 1) * cols; i++) sum += Math.abs(data[i]!);
    return sum;
  });
  return topIndices(norms, 0, rows, count);
}

/** Rows outside `taken`, of which there are `count` or more. */
function leastSimilar(
  { data, rows, cols }: Matrix,
  pivots: Matrix,
  pivot: number,
  taken: ReadonlySet<number>,
  count: number,
): Uint32Array {
  const distance = Float64Array.from({ length: rows }, (_, row) =>
    taken.has(row) ? Number.NaN : -wideDot(data, row * cols, pivots.data, pivot * cols, cols),
  );
  return topIndices(distance, 0, rows, count);
}
