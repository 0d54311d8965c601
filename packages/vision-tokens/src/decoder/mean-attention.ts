import { InferenceError, type Matrix } from "@frugal/core";

import { expectAscending, expectLength } from "../expect.ts";

/**
 * Attention that keys receive, averaged over the rows of `attention`: heads, or queries.
 *
 * @param columns which keys; default: all. Sums are accumulated in float64.
 * @throws `InferenceError` `shape` or `range` for a buffer or columns that do not fit, or no rows.
 */
export function meanAttention(attention: Matrix, columns?: Uint32Array): Float32Array {
  const { data, rows, cols } = attention;
  expectLength("attention", data, rows * cols);
  if (rows < 1) throw new InferenceError("range", `attention: expected rows, got ${rows}`);
  if (columns !== undefined) expectAscending("columns", columns, cols);
  const count = columns?.length ?? cols;
  return Float32Array.from({ length: count }, (_, i) => {
    const col = columns === undefined ? i : columns[i]!;
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += data[row * cols + col]!;
    return sum / rows;
  });
}
