import type { Matrix } from "../matrix.ts";

/** Some rows of a matrix in the order of `rows`, new. Unchecked: they are rows of it. */
export function pickRows({ data, cols }: Matrix, rows: ArrayLike<number>): Matrix {
  const out = new Float32Array(rows.length * cols);
  for (let i = 0; i < rows.length; i++) {
    const from = rows[i]! * cols;
    out.set(data.subarray(from, from + cols), i * cols);
  }
  return { data: out, rows: rows.length, cols };
}
