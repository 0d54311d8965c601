import { InferenceError, type Matrix, softmax } from "@frugal/core";

import { expectFinite, expectInteger, expectLength } from "../expect.ts";

/** A layer's projections of its input, `[n, width]` each. */
export interface PoolingProjections {
  /** Global: what the mean of all rows asks, and what it is answered from. */
  readonly query: Matrix;
  readonly key: Matrix;
  /** What segments take the maximum of. */
  readonly segment: Matrix;
  /** What neighbours take the maximum of. */
  readonly local: Matrix;
  /** What global and segment results are multiplied by. */
  readonly output: Matrix;
}

/** Options of {@link mixByPooling}. */
export interface MixByPoolingOptions {
  readonly segments: number;
  /** Heads side by side in the columns; default 1. */
  readonly heads?: number;
  /** 1 for each row that counts, 0 for padding, at least one 1. Default: all count. */
  readonly valid?: Uint8Array;
}

/** What stands for padding before a maximum or a softmax. */
const masked = -10_000;

/**
 * PoNet's mixing of rows without attention: `(global + segment) ⊙ output + local`. Global is one
 * attention of the mean query over all rows; segment and local are maxima over a part of the rows and
 * over three neighbours.
 *
 * Row `i` belongs to segment `floor(i / (floor(n / segments) + 1))`, with `n` the padded length. Where
 * `segments` divides `n` the last ones are empty; weights were trained with that.
 *
 * _Cost_: O(n · width).
 *
 * @returns `[n, width]`, new.
 * @throws {@link InferenceError} `shape` or `range` for what does not fit or is not finite.
 * @see PoNet (Tan et al.), arXiv:2110.02442; lxchtan/PoNet, `attention_ponet.py`;
 *   `docs/algorithms/projectors.md`
 */
export function mixByPooling(
  projections: PoolingProjections,
  { segments, heads = 1, valid }: MixByPoolingOptions,
): Matrix {
  const { query, key, segment, local, output } = projections;
  const { rows, cols } = query;
  for (const [name, x] of Object.entries(projections) as [string, Matrix][]) {
    expectFinite(name, x);
    if (x.rows !== rows || x.cols !== cols) {
      const got = `${x.rows} x ${x.cols}`;
      throw new InferenceError("shape", `${name}: expected ${rows} x ${cols}, got ${got}`);
    }
  }
  expectInteger("segments", segments, 1);
  expectInteger("heads", heads, 1);
  expectInteger("width / heads", cols / heads, 1);
  if (valid !== undefined) expectLength("valid", valid, rows);
  const counts = (row: number): boolean => valid === undefined || valid[row] === 1;
  const count = Array.from({ length: rows }, (_, row) => counts(row)).filter(Boolean).length;
  if (rows > 0) expectInteger("valid rows", count, 1);

  const answers = answerGlobally(query, key, heads, counts, count);
  const maxima = segmentMaxima(segment, segments, counts);
  const size = Math.floor(rows / segments) + 1;
  const out = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    const from = Math.floor(row / size) * cols;
    for (let c = 0; c < cols; c++) {
      const at = row * cols + c;
      const joined = (answers[c]! + maxima[from + c]!) * output.data[at]!;
      out[at] = joined + neighbourMaximum(local, row, c, counts);
    }
  }
  return { data: out, rows, cols };
}

/** One row: for every head, the keys weighted by what the mean query asks of them. */
function answerGlobally(
  query: Matrix,
  key: Matrix,
  heads: number,
  counts: (row: number) => boolean,
  count: number,
): Float64Array {
  const { rows, cols } = query;
  const mean = new Float64Array(cols);
  for (let row = 0; row < rows; row++) {
    if (!counts(row)) continue;
    for (let c = 0; c < cols; c++) mean[c]! += query.data[row * cols + c]! / count;
  }
  const answers = new Float64Array(cols);
  const shares = new Float64Array(rows);
  const width = cols / heads;
  for (let first = 0; first < cols; first += width) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let c = first; c < first + width; c++) sum += mean[c]! * key.data[row * cols + c]!;
      shares[row] = counts(row) ? sum / Math.sqrt(width) : masked;
    }
    softmax(shares, shares);
    for (let row = 0; row < rows; row++) {
      for (let c = first; c < first + width; c++) {
        answers[c]! += shares[row]! * key.data[row * cols + c]!;
      }
    }
  }
  return answers;
}

/** `[segments, cols]`. */
function segmentMaxima(
  { data, rows, cols }: Matrix,
  segments: number,
  counts: (row: number) => boolean,
): Float64Array {
  const maxima = new Float64Array(segments * cols).fill(-Infinity);
  const size = Math.floor(rows / segments) + 1;
  for (let row = 0; row < rows; row++) {
    const to = Math.floor(row / size) * cols;
    for (let c = 0; c < cols; c++) {
      const value = counts(row) ? data[row * cols + c]! : masked;
      maxima[to + c] = Math.max(maxima[to + c]!, value);
    }
  }
  return maxima;
}

function neighbourMaximum(
  { data, rows, cols }: Matrix,
  row: number,
  col: number,
  counts: (row: number) => boolean,
): number {
  let most = -Infinity;
  for (let near = Math.max(0, row - 1); near <= Math.min(rows - 1, row + 1); near++) {
    most = Math.max(most, counts(near) ? data[near * cols + col]! : masked);
  }
  return most;
}
