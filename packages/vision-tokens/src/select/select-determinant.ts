import { type Matrix, wideDot } from "@frugal/core";

import { expectFinite, expectInteger, expectLength, expectNumbers } from "../expect.ts";
import { unitRows } from "./unit-rows.ts";

/** Rows of {@link selectDeterminant} in the order in which they were chosen. */
export interface DeterminantSelection {
  /** The chosen rows, ascending. */
  readonly keep: Uint32Array;
  /** The same, the best first. */
  readonly order: Uint32Array;
  /** By what factor each of them changed the determinant. */
  readonly gains: Float64Array;
}

/**
 * CDPruner: chooses rows that are relevant and differ. Greedily maximises the determinant of the chosen
 * part of `r_i cos(x_i, x_j) r_j`, with `r` the relevance of each row to the question.
 *
 * Stops early, with fewer than `count` rows, once no row adds more than 1e-10: what is left is a
 * combination of the chosen ones, or irrelevant. Ties go to the lower index.
 *
 * _Shapes_: `features` n × d, `relevance` n. _Cost_: O(n · count · (d + count)), n × count numbers of
 * scratch; the kernel is never stored.
 *
 * @param relevance numbers of at least 0; CDPruner scales the mean cosines with the question
 *   linearly to `[0, 1]`. All ones: diversity alone.
 * @throws `InferenceError` `shape` or `range` for buffers and numbers that do not fit.
 * @see CDPruner (Zhang et al.), arXiv:2506.10967; Chen et al., arXiv:1709.05135, for the greedy
 *   algorithm; `docs/algorithms/determinant-selection.md`
 */
export function selectDeterminant(
  features: Matrix,
  relevance: Float32Array,
  count: number,
): DeterminantSelection {
  expectFinite("features", features);
  expectLength("relevance", relevance, features.rows);
  expectNumbers("relevance", relevance, 0);
  expectInteger("count", count, 0, features.rows);
  const n = features.rows;
  const unit = unitRows(features);
  const { data, cols } = unit;
  // The length of a rounded unit row is not exactly 1, and duplicates must leave exactly nothing.
  const left = Float64Array.from(relevance, (r, i) => {
    return r * r * wideDot(data, i * cols, data, i * cols, cols);
  });
  const factors: Float64Array[] = [];
  const order: number[] = [];
  const gains: number[] = [];
  while (order.length < count) {
    const best = highest(left);
    const gain = left[best]!;
    if (!(gain > 1e-10)) break;
    const factor = factorOf(unit, relevance, factors, best, gain);
    for (let i = 0; i < n; i++) left[i]! -= factor[i]! ** 2;
    left[best] = -Infinity;
    order.push(best);
    gains.push(gain);
    factors.push(factor);
  }
  return {
    keep: Uint32Array.from(order).sort(),
    order: Uint32Array.from(order),
    gains: Float64Array.from(gains),
  };
}

/** The next row of the Cholesky factor: what `best` says about every row beyond earlier choices. */
function factorOf(
  { data, rows, cols }: Matrix,
  relevance: Float32Array,
  factors: readonly Float64Array[],
  best: number,
  gain: number,
): Float64Array {
  const scale = 1 / Math.sqrt(gain);
  return Float64Array.from({ length: rows }, (_, i) => {
    const cosine = wideDot(data, i * cols, data, best * cols, cols);
    let rest = relevance[i]! * relevance[best]! * cosine;
    for (const factor of factors) rest -= factor[i]! * factor[best]!;
    return rest * scale;
  });
}

function highest(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
