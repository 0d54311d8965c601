import { InferenceError } from "@frugal/core";

import { searchScale } from "./search-scale.ts";

/** A weight matrix in blocks of 4 or 8 bits, in the layout of `MatMulNBits`. */
export interface QuantizedMatrix {
  /** `[rows, blocks, blockSize * bits / 8]`; of two 4-bit values the first is the low half. */
  readonly blob: Uint8Array;
  /** `[rows, blocks]`. */
  readonly scales: Float32Array;
  /**
   * `[rows, blocks * bits / 8]`, rounded up; of two 4-bit values the first is the low half. Absent:
   * all are 8 or 128.
   */
  readonly zeros?: Uint8Array;
}

/**
 * Rounds `[rows, cols]` weights to the nearest of 16 or 256 evenly spaced values per block of
 * `blockSize` neighbours along a row.
 *
 * Symmetric, with the implied zero point 8 or 128 of `MatMulNBits`: `w ≈ (q - zero) * scale`. With
 * 4 bits the scale maps the weight of largest magnitude to -8, since the range -8..7 has one more
 * step on that side; with 8 bits it maps the largest magnitude to 127. A last block that is not
 * full is padded with zeros.
 *
 * With `importance`, the mean square of every input, 4-bit scales are searched for a small sum of
 * `importance * (w - ŵ)²`, which is what a block adds to the mean square error of the product where
 * inputs are uncorrelated; see {@link searchScale}. In 8 bits it is ignored.
 *
 * Cost: two passes over the weights, and sixteen more for a search. Without one, the error of a weight
 * is at most half a scale (with 4 bits, a whole one at the positive end).
 *
 * @param importance `[cols]`, not negative
 * @throws {@link InferenceError} `range` for a block size that is not a power of two from 16, or a
 *   weight that is not finite; `shape` if `weights` does not have `rows * cols` values, or
 *   `importance` not `cols`.
 * @see microsoft/onnxruntime: docs/ContribOperators.md, com.microsoft.MatMulNBits
 */
export function quantizeBlocks(
  weights: Float32Array,
  rows: number,
  cols: number,
  bits: 4 | 8,
  blockSize: number,
  importance?: Float32Array,
): QuantizedMatrix {
  if (weights.length !== rows * cols) {
    throw new InferenceError(
      "shape",
      `weights: expected ${rows} x ${cols} values, got ${weights.length}`,
    );
  }
  if (importance !== undefined && importance.length !== cols) {
    const message = `importance: expected ${cols} values, got ${importance.length}`;
    throw new InferenceError("shape", message);
  }
  checkBlockSize(blockSize);
  const blocks = Math.ceil(cols / blockSize);
  const blobSize = (blockSize * bits) / 8;
  const blob = new Uint8Array(rows * blocks * blobSize).fill(bits === 4 ? 0x88 : 0x80);
  const scales = new Float32Array(rows * blocks);
  const pack = bits === 4 ? packNibbles : packBytes;
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * cols + block * blockSize;
      const to = Math.min(from + blockSize, (row + 1) * cols);
      const extreme = largest(weights, from, to);
      const nearest = bits === 4 ? extreme / -8 : Math.abs(extreme) / 127;
      const scale =
        bits === 4 && importance !== undefined
          ? searchScale(weights, importance, from, to, block * blockSize, nearest)
          : nearest;
      const index = row * blocks + block;
      scales[index] = scale;
      if (scale !== 0) pack(weights, from, to, 1 / scale, blob, index * blobSize);
    }
  }
  return { blob, scales };
}

/** @throws {@link InferenceError} `range` unless ONNX Runtime has kernels for the block size. */
export function checkBlockSize(blockSize: number): void {
  if (![16, 32, 64, 128, 256].includes(blockSize)) {
    throw new InferenceError(
      "range",
      `blockSize: expected 16, 32, 64, 128 or 256, got ${blockSize}`,
    );
  }
}

/** The value of largest magnitude, with its sign. */
function largest(weights: Float32Array, from: number, to: number): number {
  let extreme = 0;
  for (let i = from; i < to; i++) {
    const value = weights[i]!;
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    else if (Number.isNaN(value)) extreme = Number.NaN;
  }
  if (!Number.isFinite(extreme)) {
    throw new InferenceError("range", `weights: expected finite values, got ${extreme}`);
  }
  return extreme;
}

function packNibbles(
  weights: Float32Array,
  from: number,
  to: number,
  inverse: number,
  blob: Uint8Array,
  at: number,
): void {
  for (let i = from; i < to; i += 2) {
    const low = nibble(weights[i]! * inverse);
    const high = i + 1 < to ? nibble(weights[i + 1]! * inverse) : 8;
    blob[at++] = low | (high << 4);
  }
}

function nibble(value: number): number {
  return Math.min(15, Math.max(0, Math.round(value) + 8));
}

function packBytes(
  weights: Float32Array,
  from: number,
  to: number,
  inverse: number,
  blob: Uint8Array,
  at: number,
): void {
  for (let i = from; i < to; i++) blob[at++] = Math.round(weights[i]! * inverse) + 128;
}
