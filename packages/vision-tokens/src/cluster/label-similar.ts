import { type Matrix, wideDot } from "@frugal/core";

import { expectFinite, expectNumber } from "../expect.ts";
import { RowSketch } from "../select/row-sketch.ts";
import { unitRows } from "../select/unit-rows.ts";
import { DisjointSets } from "./disjoint-sets.ts";

/**
 * Connected components of the graph in which two rows are neighbours if their cosine is above
 * `threshold`: rows belong together that are linked by rows between them.
 *
 * _Shapes_: `features` n × d. _Cost_: at most n² / 2 products of rows; none for two that are linked
 * already.
 *
 * @returns the component of each row, numbered by first appearance.
 * @throws `InferenceError` `shape` or `range` for features that do not fit or a threshold outside
 *   `[-1, 1]`.
 */
export function labelSimilar(features: Matrix, threshold: number): Uint32Array {
  expectFinite("features", features);
  expectNumber("threshold", threshold, -1, 1);
  const unit = unitRows(features);
  const { data, rows, cols } = unit;
  const sketch = RowSketch.of(unit);
  const sets = new DisjointSets(rows);
  for (let i = 1; i < rows; i++) {
    // Neighbours in the sequence come first: they are often linked, and spare the others.
    for (let j = i - 1; j >= 0; j--) {
      if (sets.rootOf(i) === sets.rootOf(j)) continue;
      if (sketch !== null && sketch.productAtMost(i, j) <= threshold) continue;
      // Rounding can put the cosine of equal rows a little above 1.
      const cosine = Math.min(1, wideDot(data, i * cols, data, j * cols, cols));
      if (cosine > threshold) sets.join(i, j);
    }
  }
  return sets.labels();
}
