import { type Matrix, wideDot } from "@frugal/core";

/** A copy of a matrix whose rows have length 1; a row of zeros stays. Norms are summed in float64. */
export function unitRows({ data, rows, cols }: Matrix): Matrix {
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const square = wideDot(data, row * cols, data, row * cols, cols);
    if (square === 0) continue;
    const scale = 1 / Math.sqrt(square);
    for (let i = row * cols; i < (row + 1) * cols; i++) out[i] = data[i]! * scale;
  }
  return { data: out, rows, cols };
}
