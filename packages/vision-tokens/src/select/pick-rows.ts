import type { Matrix } from "@frugal/core";

/** Some rows of a matrix in the order of `rows`, new. Unchecked. */
export function pickRows({ data, cols }: Matrix, rows: ArrayLike<number>): Matrix {
  const out = new Float32Array(rows.length * cols);
  for (let i = 0; i < rows.length; i++) {
    out.set(data.subarray(rows[i]! * cols, (rows[i]! + 1) * cols), i * cols);
  }
  return { data: out, rows: rows.length, cols };
}
