import { type Matrix, softmax } from "@frugal/core";

import { expectInteger, expectLength, expectNumber } from "../expect.ts";

/** Options of {@link pageRank}. */
export interface PageRankOptions {
  /** Power steps. Default 5. */
  readonly steps?: number;
  /** Divides the logits; the default, 0.1, is close to the largest one alone. */
  readonly temperature?: number;
  /** The part of its mass that each step spreads evenly. Default 0. */
  readonly damping?: number;
}

/**
 * How important rows are to each other: per head, the mass that power steps of
 * `M = softmax(logits / temperature)` move from an even start; of the heads, the root of the mean of
 * squares. Each step is `x' = x M (1 - damping) + damping / n`, so that mass stays one.
 *
 * Without damping a causal `M` moves mass to the earliest rows, which favours the beginning of an image.
 *
 * _Shapes_: `logits` [heads · n, n], head after head; masked ones are at most -1e30. _Cost_:
 * heads · n² exponentials and `steps` as many products.
 *
 * @returns `[n]`.
 * @throws `InferenceError` `shape` for a buffer of another size; `range` for options outside their
 *   intervals.
 * @see AIM (Zhong et al.), arXiv:2412.03248, LaVi-Lab/AIM: modeling_qwen2.py
 */
export function pageRank(
  logits: Matrix,
  heads: number,
  options: PageRankOptions = {},
): Float32Array {
  const { steps = 5, temperature = 0.1, damping = 0 } = options;
  const n = logits.cols;
  expectInteger("heads", heads, 1);
  expectInteger("steps", steps, 0);
  expectNumber("temperature", temperature, Number.MIN_VALUE, Infinity);
  expectNumber("damping", damping, 0, 1);
  expectLength("logits", logits.data, heads * n * n);
  const squares = new Float64Array(n);
  const weights = new Float32Array(n * n);
  for (let head = 0; head < heads; head++) {
    fillWeights(logits.data, head * n * n, n, temperature, weights);
    let mass = new Float64Array(n).fill(1 / n);
    for (let step = 0; step < steps; step++) mass = move(mass, weights, damping);
    for (let i = 0; i < n; i++) squares[i]! += mass[i]! ** 2;
  }
  return Float32Array.from(squares, (sum) => Math.sqrt(sum / heads));
}

function fillWeights(
  logits: Float32Array,
  from: number,
  n: number,
  temperature: number,
  weights: Float32Array,
): void {
  for (let row = 0; row < n * n; row += n) {
    const own = logits.subarray(from + row, from + row + n);
    softmax(own, weights.subarray(row, row + n), temperature);
  }
}

function move(
  mass: Float64Array,
  weights: Float32Array,
  damping: number,
): Float64Array<ArrayBuffer> {
  const n = mass.length;
  const moved = new Float64Array(n);
  for (let row = 0; row < n; row++) {
    const share = mass[row]! * (1 - damping);
    if (share === 0) continue;
    for (let col = 0; col < n; col++) moved[col]! += share * weights[row * n + col]!;
  }
  for (let col = 0; col < n; col++) moved[col]! += damping / n;
  return moved;
}
