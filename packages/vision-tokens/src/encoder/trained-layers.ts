import { type Matrix, wideDot } from "@frugal/core";

import { expectLength } from "../expect.ts";

/** A linear layer as checkpoints hold it. */
export interface Linear {
  /** One row per output, one column per input. */
  readonly weight: Matrix;
  readonly bias: Float32Array;
}

/** A layer norm as checkpoints hold it. */
export interface LayerNorm {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  /** Default 1e-5, as PyTorch's. */
  readonly epsilon?: number;
}

/** @throws `InferenceError` `shape` for a layer that does not fit, by its name. */
export function applyLinear(x: Matrix, { weight, bias }: Linear, name: string): Matrix {
  expectLength(`${name}.weight`, weight.data, weight.rows * x.cols);
  expectLength(`${name}.bias`, bias, weight.rows);
  const out = new Float32Array(x.rows * weight.rows);
  for (let row = 0; row < x.rows; row++) {
    for (let i = 0; i < weight.rows; i++) {
      const product = wideDot(x.data, row * x.cols, weight.data, i * x.cols, x.cols);
      out[row * weight.rows + i] = product + bias[i]!;
    }
  }
  return { data: out, rows: x.rows, cols: weight.rows };
}

/** @throws `InferenceError` `shape` for a norm that does not fit, by its name. */
export function applyNorm(x: Matrix, norm: LayerNorm, name: string): Matrix {
  const { weight, bias, epsilon = 1e-5 } = norm;
  const { data, rows, cols } = x;
  expectLength(`${name}.weight`, weight, cols);
  expectLength(`${name}.bias`, bias, cols);
  const out = new Float32Array(data.length);
  for (let from = 0; from < rows * cols; from += cols) {
    let [sum, squares] = [0, 0];
    for (let c = 0; c < cols; c++) sum += data[from + c]!;
    const mean = sum / cols;
    for (let c = 0; c < cols; c++) squares += (data[from + c]! - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / cols + epsilon);
    for (let c = 0; c < cols; c++) {
      out[from + c] = (data[from + c]! - mean) * scale * weight[c]! + bias[c]!;
    }
  }
  return { data: out, rows, cols };
}

/** `x Φ(x)`, in place. */
export function gelu(x: Matrix): Matrix {
  for (let i = 0; i < x.data.length; i++) {
    const value = x.data[i]!;
    x.data[i] = 0.5 * value * (1 + errorFunction(value * Math.SQRT1_2));
  }
  return x;
}

/** Within 1.5e-7. @see Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26 */
function errorFunction(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series =
    0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)));
  return Math.sign(x) * (1 - t * series * Math.exp(-x * x));
}
