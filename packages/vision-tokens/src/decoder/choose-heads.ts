import { InferenceError, type Matrix } from "@frugal/core";

import { expectAscending, expectInteger, expectLength, expectNumber } from "../expect.ts";

/**
 * How much of their attention heads pay to images, per head: the sum over rows and the images' columns,
 * divided by the sum over all other columns.
 *
 * _Shapes_: `attention` [heads · queries, keys], head after head.
 *
 * @throws `InferenceError` `shape` or `range` for a buffer or columns that do not fit.
 * @see Zhang et al., arXiv:2410.06169, ZhangAIPI/YOPO_MLLM_Pruning: gen_mask_llava.py
 */
export function headShares(attention: Matrix, heads: number, images: Uint32Array): Float32Array {
  const { data, rows, cols } = attention;
  expectInteger("heads", heads, 1);
  expectLength("attention", data, rows * cols);
  expectAscending("images", images, cols);
  if (rows % heads !== 0) {
    throw new InferenceError("shape", `attention: expected rows for ${heads} heads, got ${rows}`);
  }
  const count = rows / heads;
  return Float32Array.from({ length: heads }, (_, head) => {
    let ofImages = 0;
    let all = 0;
    for (let row = head * count; row < (head + 1) * count; row++) {
      for (let col = 0; col < cols; col++) all += data[row * cols + col]!;
      for (const col of images) ofImages += data[row * cols + col]!;
    }
    return ofImages === 0 ? 0 : ofImages / Math.max(all - ofImages, Number.MIN_VALUE);
  });
}

/** Options of {@link chooseHeads}. */
export interface ChooseHeadsOptions {
  /** A sample votes for a head whose share exceeds it: 0.035 keeps 30 heads of LLaVA-13B's 40. */
  readonly threshold: number;
  /** A head needs more votes than this. Default two fifths of the samples. */
  readonly votes?: number;
  /** Layers at the beginning that keep all heads. Default 2. */
  readonly whole?: number;
}

/**
 * YOPO: which heads look at images at all, by a vote of calibration samples; `ImageEffort.heads`.
 *
 * @param samples per sample and layer, what {@link headShares} says.
 * @returns per layer, 1 for the heads that stay.
 * @throws `InferenceError` `range` for options outside their intervals or no samples; `shape` for samples
 *   of other sizes.
 */
export function chooseHeads(
  samples: readonly (readonly Float32Array[])[],
  options: ChooseHeadsOptions,
): Uint8Array[] {
  expectInteger("samples.length", samples.length, 1);
  const { threshold, votes = Math.floor(0.4 * samples.length), whole = 2 } = options;
  expectNumber("threshold", threshold, 0, Infinity);
  expectInteger("votes", votes, 0, samples.length);
  expectInteger("whole", whole, 0);
  const [first] = samples;
  for (const sample of samples) {
    expectLength("sample", sample, first!.length);
    for (const [layer, shares] of sample.entries()) {
      expectLength("shares", shares, first![layer]!.length);
    }
  }
  return first!.map((shares, layer) =>
    Uint8Array.from(shares, (_, head) => {
      const count = samples.filter((sample) => sample[layer]![head]! > threshold).length;
      return layer < whole || count > votes ? 1 : 0;
    }),
  );
}

/**
 * YOPO's layer plan: from layer `from` on no head attends to images.
 *
 * @param heads what {@link chooseHeads} says of the layers; a copy is returned.
 * @throws `InferenceError` `range` for what is no layer.
 */
export function dropHeadsFrom(heads: readonly Uint8Array[], from: number): Uint8Array[] {
  expectInteger("from", from, 0, heads.length);
  return heads.map((mask, layer) => (layer < from ? mask.slice() : new Uint8Array(mask.length)));
}
