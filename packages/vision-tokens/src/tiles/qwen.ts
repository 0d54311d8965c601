import { InferenceError } from "@frugal/core";

import { expectInteger } from "../expect.ts";
import { roundHalfEven } from "../round-half-even.ts";
import { expectSize, type Tiler } from "./tile-plan.ts";

/** Options of {@link qwen}. */
export interface QwenOptions {
  /** Pixels on a side of a token: patch size times merge size. Default 28. */
  readonly factor?: number;
  /** The fewest and the most pixels. Default 3,136 and 1,003,520. */
  readonly minPixels?: number;
  readonly maxPixels?: number;
}

/**
 * Qwen2-VL and Qwen2.5-VL: the image in one piece, its sides resized to multiples of `factor`, scaled
 * where necessary to lie between the two numbers of pixels.
 *
 * Halves round to even. Ports that round them up disagree: an image of 126 by 70 pixels has 8 tokens,
 * not 15.
 *
 * @throws {@link InferenceError} `range` for an option or a size that is not a positive integer, or
 *   for sides of which one is more than 200 times the other.
 * @see Qwen2-VL (Wang et al.), arXiv:2409.12191; `docs/algorithms/image-tiles.md`
 */
export function qwen(options: QwenOptions = {}): Tiler {
  const { factor = 28, minPixels = 56 * 56, maxPixels = 1280 * 28 * 28 } = options;
  expectInteger("factor", factor, 1);
  expectInteger("minPixels", minPixels, 1);
  expectInteger("maxPixels", maxPixels, Math.max(minPixels, factor * factor));
  return (width, height) => {
    expectSize(width, height);
    if (Math.max(width, height) > 200 * Math.min(width, height)) {
      const got = `${width} by ${height}`;
      throw new InferenceError("range", `size: expected sides of ratio 200 at most, got ${got}`);
    }
    const cells = countCells(width, height, { factor, minPixels, maxPixels });
    return {
      width: cells.cols * factor,
      height: cells.rows * factor,
      cols: 1,
      rows: 1,
      overview: "none",
      tokens: cells.cols * cells.rows,
      newlines: new Uint32Array(),
    };
  };
}

function countCells(
  width: number,
  height: number,
  { factor, minPixels, maxPixels }: Required<QwenOptions>,
): { cols: number; rows: number } {
  const cols = roundHalfEven(width / factor);
  const rows = roundHalfEven(height / factor);
  const pixels = cols * rows * factor * factor;
  if (pixels > maxPixels) {
    const shrink = Math.sqrt((width * height) / maxPixels);
    return {
      cols: Math.max(1, Math.floor(width / shrink / factor)),
      rows: Math.max(1, Math.floor(height / shrink / factor)),
    };
  }
  if (pixels >= minPixels) return { cols, rows };
  const grow = Math.sqrt(minPixels / (width * height));
  return {
    cols: Math.ceil((width * grow) / factor),
    rows: Math.ceil((height * grow) / factor),
  };
}
