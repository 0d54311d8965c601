import { InferenceError, type Matrix } from "@frugal/core";

import { expectAscending, expectFinite, expectNumbers } from "../expect.ts";
import { createReduction, type Reduction } from "./reduction.ts";
import { RowProducts } from "./row-products.ts";

/**
 * Lets the rows that a selection keeps take up the others: each joins the kept row that is most similar
 * by cosine, of equal ones the first, and groups become means. With any `select...` method this is
 * select, then merge.
 *
 * _Shapes_: `metric` n × d, keys or the features. _Cost_: O(n · keep · d).
 *
 * @param keep the chosen rows, ascending.
 * @throws `InferenceError` `shape` or `range` for buffers that do not fit; `range` if none of several
 *   rows is kept.
 * @see `docs/algorithms/salient-and-distinct.md`
 */
export function absorbRest(keep: Uint32Array, metric: Matrix): Reduction {
  expectFinite("metric", metric);
  const groups = groupsOf(keep, metric.rows);
  const products = new RowProducts(metric);
  const kept = new Set(keep);
  for (let row = 0; row < metric.rows; row++) {
    if (!kept.has(row)) groups[products.mostSimilar(row, keep)]!.push(row);
  }
  const sums = groups.map((rows, i) => ({
    anchor: keep[i]!,
    terms: rows.map((row): [number, number] => [row, 1 / rows.length]),
  }));
  return createReduction(metric.rows, sums);
}

/**
 * The same with given weights, such as those of a trained merger that lets kept rows attend to the rest:
 * kept row `i` becomes itself and the sum of the others, times row `i` of `weights`.
 *
 * _Shapes_: `weights` keep × n; what it says of kept rows is not read, and 0 is no term. _Cost_:
 * O(keep · n).
 *
 * @throws {@link InferenceError} `shape` or `range` for buffers that do not fit, or negative weights.
 * @see LaVIT (Jin et al.), arXiv:2309.04669, for a trained merger
 */
export function absorbWeighted(keep: Uint32Array, weights: Matrix): Reduction {
  expectFinite("weights", weights);
  expectNumbers("weights", weights.data, 0);
  const { data, rows, cols } = weights;
  if (rows !== keep.length) {
    throw new InferenceError("shape", `weights: expected ${keep.length} rows, got ${rows}`);
  }
  const groups = groupsOf(keep, cols);
  const kept = new Set(keep);
  const sums = groups.map((_, i) => {
    const terms: [number, number][] = [[keep[i]!, 1]];
    for (let row = 0; row < cols; row++) {
      const weight = data[i * cols + row]!;
      if (weight > 0 && !kept.has(row)) terms.push([row, weight]);
    }
    return { anchor: keep[i]!, terms };
  });
  return createReduction(cols, sums);
}

function groupsOf(keep: Uint32Array, rows: number): number[][] {
  expectAscending("keep", keep, rows);
  if (keep.length === 0 && rows > 0) {
    throw new InferenceError("range", `keep: expected at least one of ${rows} rows, got none`);
  }
  return Array.from(keep, (row) => [row]);
}
