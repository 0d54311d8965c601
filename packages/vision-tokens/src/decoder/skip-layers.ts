import { InferenceError, type LayerSkips, type Matrix } from "@frugal/core";

import { expectInteger, expectLength } from "../expect.ts";

/** Options of {@link skipLayers}. */
export interface SkipLayersOptions {
  /** Layers up to this one run. Default 0. */
  readonly start?: number;
  /** So do those from this one on. Default the last layer. */
  readonly end?: number;
  /** Every how many layers one is left out: those whose number it divides. */
  readonly interval: number;
  /** Default the whole block. */
  readonly part?: LayerSkips["part"];
  /** Default those of images. */
  readonly rows?: LayerSkips["rows"];
}

/**
 * IMA: layers `start < l < end` whose number `interval` divides leave out their work, since rows of
 * perception change slowly from layer to layer. `ImageEffort.skips`; experimental: published results are
 * for models with ten visual tokens that were tuned for one task.
 *
 * Deviation: the reference can also skip in prompts or in answers only, which it tells apart by the
 * length of a block. What a row becomes would then depend on how a text is cut into blocks, and a text
 * on whether it was drafted.
 *
 * @throws `InferenceError` `range` for what is no count.
 * @see Shukor and Cord, arXiv:2410.09454, mshukor/ima-lmms: skipping_llama.py;
 *   `docs/algorithms/skipping-images.md`
 */
export function skipLayers(layers: number, options: SkipLayersOptions): LayerSkips {
  expectInteger("layers", layers, 1);
  const { start = 0, end = layers - 1, interval } = options;
  const { part = "block", rows = "images" } = options;
  expectInteger("start", start, 0);
  expectInteger("end", end, 0, layers);
  expectInteger("interval", interval, 1);
  const skipped: number[] = [];
  for (let layer = start + 1; layer < end; layer++) {
    if (layer % interval === 0) skipped.push(layer);
  }
  return { layers: skipped, part, rows };
}

/**
 * How alike the states of images and text are at a layer: the mean cosine over all pairs of rows. A
 * diagnostic; the paper's exact mean is not known to us.
 *
 * _Cost_: O(rows · d). Rows of norm 0 count 0.
 *
 * @throws `InferenceError` `shape` if widths differ, `range` for no rows.
 * @see Shukor and Cord, "Implicit Multimodal Alignment", arXiv:2405.16700
 */
export function imageAlignment(images: Matrix, text: Matrix): number {
  if (images.cols !== text.cols) {
    throw new InferenceError("shape", `text: expected ${images.cols} columns, got ${text.cols}`);
  }
  const [a, b] = [meanDirection("images", images), meanDirection("text", text)];
  let product = 0;
  for (let i = 0; i < a.length; i++) product += a[i]! * b[i]!;
  return product;
}

/** The mean of the rows over their norms. */
function meanDirection(name: string, { data, rows, cols }: Matrix): Float64Array {
  expectInteger(`${name}.rows`, rows, 1);
  expectLength(name, data, rows * cols);
  const mean = new Float64Array(cols);
  for (let row = 0; row < rows; row++) {
    const x = data.subarray(row * cols, (row + 1) * cols);
    let square = 0;
    for (const value of x) square += value ** 2;
    if (square === 0) continue;
    for (let i = 0; i < cols; i++) mean[i]! += x[i]! / Math.sqrt(square) / rows;
  }
  return mean;
}
