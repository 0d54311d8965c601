import { InferenceError } from "@frugal/core";

import type { EncoderInput } from "../exported/vision-encoder.ts";
import { checkImage, type RgbImage } from "./rgb-image.ts";

/** Levels of a channel become `(level · scale - mean) / std`. */
export interface Normalization {
  /** Default 1/255. */
  readonly scale?: number;
  /** Of red, green and blue. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * Images of one size as the input of an encoder, `[n, 3, height, width]`.
 *
 * @throws {@link InferenceError} `shape` if there is none, or their sizes differ.
 */
export function toPixelValues(
  images: readonly RgbImage[],
  normalization: Normalization,
): EncoderInput {
  const { width, height } = sameSize(images);
  const plane = width * height;
  const table = levels(normalization);
  const data = new Float32Array(3 * plane * images.length);
  for (const [n, image] of images.entries()) {
    for (let channel = 0; channel < 3; channel++) {
      const to = (3 * n + channel) * plane;
      for (let i = 0; i < plane; i++) {
        data[to + i] = table[256 * channel + image.data[3 * i + channel]!]!;
      }
    }
  }
  return { data, dims: [images.length, 3, height, width] };
}

/** How an encoder of the Qwen2-VL kind cuts images. */
export interface PatchOptions extends Normalization {
  /** Side of a patch in pixels, default 14. */
  readonly patch?: number;
  /** Side of the squares of patches that become one token, default 2. */
  readonly merge?: number;
  /** Frames of a patch; an image is repeated. Default 2. */
  readonly frames?: number;
}

/**
 * Images, or pictures of a video at `frames` per step, as flat patches: those that become one token
 * stand together, and a patch is `[3, frames, patch, patch]`.
 *
 * @returns `pixel_values` `[patches of all images, 3 · frames · patch²]` and `image_grid_thw`
 *   `[images, 3]`, for `VisionEncoder.encode`.
 * @throws {@link InferenceError} `shape` unless the sides are whole numbers of tokens.
 */
export function toPatches(
  images: readonly RgbImage[],
  { patch = 14, merge = 2, frames = 2, ...normalization }: PatchOptions,
): { readonly pixel_values: EncoderInput; readonly image_grid_thw: EncoderInput } {
  const table = levels(normalization);
  const width = 3 * frames * patch * patch;
  const grids = images.map((image) => gridOf(image, patch, merge));
  const count = grids.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
  const data = new Float32Array(count * width);
  let to = 0;
  for (const [n, image] of images.entries()) {
    const { rows, cols } = grids[n]!;
    for (let i = 0; i < rows * cols; i++, to += width) {
      const inCell = i % (merge * merge);
      const cell = (i - inCell) / (merge * merge);
      const row = merge * Math.floor(cell / (cols / merge)) + Math.floor(inCell / merge);
      const col = merge * (cell % (cols / merge)) + (inCell % merge);
      writePatch(image, table, { left: col * patch, top: row * patch, patch, frames }, data, to);
    }
  }
  return {
    pixel_values: { data, dims: [count, width] },
    image_grid_thw: {
      data: Int32Array.from(grids.flatMap(({ rows, cols }) => [1, rows, cols])),
      dims: [images.length, 3],
    },
  };
}

function gridOf(image: RgbImage, patch: number, merge: number): { rows: number; cols: number } {
  checkImage(image);
  const token = patch * merge;
  if (image.width % token === 0 && image.height % token === 0) {
    return { rows: image.height / patch, cols: image.width / patch };
  }
  throw new InferenceError(
    "shape",
    `image: expected sides that ${token} divides, got ${image.width} by ${image.height}`,
  );
}

function writePatch(
  { data: source, width }: RgbImage,
  table: Float32Array,
  at: { left: number; top: number; patch: number; frames: number },
  data: Float32Array,
  to: number,
): void {
  const { left, top, patch, frames } = at;
  const area = patch * patch;
  for (let channel = 0; channel < 3; channel++) {
    const start = to + channel * frames * area;
    for (let i = 0; i < area; i++) {
      const pixel = (top + Math.floor(i / patch)) * width + left + (i % patch);
      data[start + i] = table[256 * channel + source[3 * pixel + channel]!]!;
    }
    for (let frame = 1; frame < frames; frame++) {
      data.copyWithin(start + frame * area, start, start + area);
    }
  }
}

function sameSize(images: readonly RgbImage[]): RgbImage {
  const [first] = images;
  if (first === undefined) throw new InferenceError("shape", "images: expected one, got none");
  images.forEach(checkImage);
  const other = images.find(
    ({ width, height }) => width !== first.width || height !== first.height,
  );
  if (other === undefined) return first;
  throw new InferenceError(
    "shape",
    `images: expected one size, got ${first.width} by ${first.height} and ${other.width} by ${other.height}`,
  );
}

/** What each level of each channel becomes, `[3, 256]`. */
function levels({ scale = 1 / 255, mean, std }: Normalization): Float32Array {
  if (mean.length !== 3 || std.length !== 3 || std.some((each) => !(each > 0))) {
    const got = `${JSON.stringify(mean)} and ${JSON.stringify(std)}`;
    throw new InferenceError("range", `mean and std: expected three numbers each, got ${got}`);
  }
  const table = new Float32Array(3 * 256);
  for (let i = 0; i < table.length; i++) {
    const channel = i >> 8;
    table[i] = ((i & 255) * scale - mean[channel]!) / std[channel]!;
  }
  return table;
}
