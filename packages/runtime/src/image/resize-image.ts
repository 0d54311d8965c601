import { InferenceError } from "@frugal/core";

import { type Filter, filterNames, fractionBits, type Taps, tapsOf } from "./resampling.ts";
import { checkImage, checkSize, type RgbImage } from "./rgb-image.ts";

/**
 * Resizes an image, byte for byte as `Image.resize` of Pillow does, which the image processors of
 * transformers were written around: first the rows, then the columns, weights of 22 bits behind the
 * point, rounded to bytes in between. Shrinking is antialiased. Torchvision's own kernels differ from
 * these by one level here and there.
 *
 * _Cost_: O(width · old height + width · height) times the taps per pixel, which are twice the filter's
 * support (1, 2 or 3 pixels) times the factor of shrinking. The old image is returned if it has the size.
 *
 * @throws {@link InferenceError} `range` for a size or a filter that does not exist; `shape` for data
 *   of another length.
 * @see python-pillow/Pillow: src/libImaging/Resample.c
 */
export function resizeImage(
  image: RgbImage,
  width: number,
  height: number,
  filter: Filter = "bicubic",
): RgbImage {
  checkImage(image);
  checkSize(width, height);
  if (!filterNames.includes(filter)) {
    const message = `filter: expected one of ${filterNames.join(", ")}, got ${filter as string}`;
    throw new InferenceError("range", message);
  }
  const wide =
    width === image.width ? image : resizeRows(image, tapsOf(filter, image.width, width));
  return height === image.height ? wide : resizeColumns(wide, tapsOf(filter, image.height, height));
}

const half = 1 << (fractionBits - 1);

function resizeRows({ data, width, height }: RgbImage, taps: Taps): RgbImage {
  const { starts, counts, weights } = taps;
  const target = starts.length;
  const out = new Uint8Array(3 * target * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < target; x++) {
      const first = x * taps.width;
      let from = 3 * (y * width + starts[x]!);
      let red = half;
      let green = half;
      let blue = half;
      for (let t = first; t < first + counts[x]!; t++, from += 3) {
        const weight = weights[t]!;
        red += weight * data[from]!;
        green += weight * data[from + 1]!;
        blue += weight * data[from + 2]!;
      }
      const to = 3 * (y * target + x);
      out[to] = clip(red);
      out[to + 1] = clip(green);
      out[to + 2] = clip(blue);
    }
  }
  return { data: out, width: target, height };
}

function resizeColumns({ data, width }: RgbImage, taps: Taps): RgbImage {
  const { starts, counts, weights } = taps;
  const target = starts.length;
  const row = 3 * width;
  const out = new Uint8Array(row * target);
  const sums = new Int32Array(row);
  for (let y = 0; y < target; y++) {
    sums.fill(half);
    for (let t = 0; t < counts[y]!; t++) {
      const weight = weights[y * taps.width + t]!;
      const from = (starts[y]! + t) * row;
      for (let i = 0; i < row; i++) sums[i]! += weight * data[from + i]!;
    }
    for (let i = 0; i < row; i++) out[y * row + i] = clip(sums[i]!);
  }
  return { data: out, width, height: target };
}

function clip(sum: number): number {
  const level = sum >> fractionBits;
  return level < 0 ? 0 : level > 255 ? 255 : level;
}
