import { InferenceError, type Matrix } from "@frugal/core";

import { expectLength, expectNumbers } from "../expect.ts";
import type { Reduction } from "../select/reduction.ts";

/**
 * Where every row went: the row of the result that it is a part of, the first one if it is of several,
 * or -1 if it was left out.
 *
 * @returns one number per row before, new.
 */
export function rowSources({ rows, starts, indices, keep }: Reduction): Int32Array {
  const source = new Int32Array(rows).fill(-1);
  for (let r = keep.length - 1; r >= 0; r--) {
    for (let i = starts[r]!; i < starts[r + 1]!; i++) source[indices[i]!] = r;
  }
  return source;
}

/**
 * Where every row went in two steps.
 *
 * @throws {@link InferenceError} `range` if the first leads to a row that the second does not have.
 */
export function followSources(first: Int32Array, second: Int32Array): Int32Array {
  return first.map((row) => (row < 0 ? -1 : rowAt(second, row)));
}

/**
 * Gives every row before what became of it, for tasks that need all of them: unmerging. A row that was
 * left out becomes zeros.
 *
 * @returns as many rows as `source` has entries, new.
 * @throws {@link InferenceError} `range` for a source that `y` does not have.
 */
export function restoreRows({ data, rows, cols }: Matrix, source: Int32Array): Matrix {
  const out = new Float32Array(source.length * cols);
  for (const [row, from] of source.entries()) {
    if (from < 0) continue;
    if (from >= rows) throw wrongSource(from, rows);
    out.set(data.subarray(from * cols, (from + 1) * cols), row * cols);
  }
  return { data: out, rows: source.length, cols };
}

/**
 * Proportional attention: what is added to the logits of each key, so that softmax counts a merged row
 * as often as it has members. Exact if those were equal.
 *
 * @throws {@link InferenceError} `range` for sizes that are not positive; `shape` for an `out` of
 *   another length.
 * @see Token Merging (Bolya et al.), arXiv:2210.09461
 */
export function sizeBias(
  sizes: Float32Array,
  out: Float32Array = new Float32Array(sizes.length),
): Float32Array {
  expectNumbers("sizes", sizes, Number.MIN_VALUE);
  expectLength("out", out, sizes.length);
  for (let row = 0; row < sizes.length; row++) out[row] = Math.log(sizes[row]!);
  return out;
}

function rowAt(source: Int32Array, row: number): number {
  if (row >= source.length) throw wrongSource(row, source.length);
  return source[row]!;
}

function wrongSource(got: number, rows: number): InferenceError {
  return new InferenceError("range", `source: expected rows below ${rows}, got ${got}`);
}
