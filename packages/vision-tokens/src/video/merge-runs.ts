import { type Matrix, wideDot } from "@frugal/core";

import { expectFinite, expectInteger, expectNumber } from "../expect.ts";
import { createReduction, type Reduction } from "../select/reduction.ts";
import { unitRows } from "../select/unit-rows.ts";

/**
 * Merges runs of rows that hardly change: a row joins the one `stride` before it if their cosine is at
 * least `minSimilarity`, and a run becomes its mean, in the place of its first row.
 *
 * With the rows of a frame as stride, cells that stand still become one: the first stage of FrameFusion,
 * whose threshold is 0.6. With a stride of 1, neighbouring frames of audio do: A-ToMe. How many rows a
 * result stands for, its duration, is the number of its terms.
 *
 * _Shapes_: `features` n × d. _Cost_: n products of rows.
 *
 * @throws `InferenceError` `shape` or `range` for features that do not fit, a threshold outside
 *   `[-1, 1]`, or rows that are not whole frames.
 * @see FrameFusion (Fu et al.), arXiv:2501.01986, thu-nics/FrameFusion; A-ToMe (Li et al.),
 *   arXiv:2306.16009; `docs/algorithms/still-cells.md`
 */
export function mergeRuns(features: Matrix, minSimilarity: number, stride: number = 1): Reduction {
  expectFinite("features", features);
  expectNumber("minSimilarity", minSimilarity, -1, 1);
  expectInteger("stride", stride, 1);
  expectInteger("rows / stride", features.rows / stride, 0);
  const { data, rows, cols } = unitRows(features);
  const runs: number[][] = [];
  const runOf: number[][] = [];
  for (let row = 0; row < rows; row++) {
    const before = row - stride;
    const joins =
      before >= 0 &&
      // Rounding can put the cosine of equal rows a little below 1.
      Math.fround(wideDot(data, row * cols, data, before * cols, cols)) >= minSimilarity;
    const run = joins ? runOf[before]! : [];
    if (!joins) runs.push(run);
    run.push(row);
    runOf[row] = run;
  }
  const sums = runs.map((run) => ({
    anchor: run[0]!,
    terms: run.map((row): [number, number] => [row, 1 / run.length]),
  }));
  return createReduction(rows, sums);
}
