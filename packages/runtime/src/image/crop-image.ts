import { InferenceError } from "@frugal/core";

import { checkImage, checkSize, type RgbImage } from "./rgb-image.ts";

/** A part of an image. */
export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Cuts a rectangle out of an image; what of it lies outside has the color `fill`, default black.
 *
 * @throws {@link InferenceError} `range` for sides that are not positive integers.
 */
export function cropImage(
  image: RgbImage,
  { left, top, width, height }: Rectangle,
  fill: readonly [red: number, green: number, blue: number] = [0, 0, 0],
): RgbImage {
  checkImage(image);
  checkSize(width, height);
  const data = new Uint8Array(3 * width * height);
  if (fill.some((level) => level !== 0)) {
    for (let i = 0; i < data.length; i++) data[i] = fill[i % 3]!;
  }
  const [x0, x1] = [Math.max(0, left), Math.min(image.width, left + width)];
  const end = x0 < x1 ? Math.min(image.height, top + height) : 0;
  for (let y = Math.max(0, top); y < end; y++) {
    const from = 3 * (y * image.width + x0);
    data.set(
      image.data.subarray(from, from + 3 * (x1 - x0)),
      3 * ((y - top) * width + (x0 - left)),
    );
  }
  return { data, width, height };
}

/** The middle of an image; what it lacks on a side is black. The odd pixel falls off at the end. */
export function cropCenter(image: RgbImage, width: number, height: number): RgbImage {
  const left = Math.floor((image.width - width) / 2);
  const top = Math.floor((image.height - height) / 2);
  return cropImage(image, { left, top, width, height });
}

/** The image in the middle of a square as wide as its longer side, on a ground of one color. */
export function padToSquare(
  image: RgbImage,
  fill: readonly [red: number, green: number, blue: number],
): RgbImage {
  const side = Math.max(image.width, image.height);
  const left = -Math.floor((side - image.width) / 2);
  const top = -Math.floor((side - image.height) / 2);
  return cropImage(image, { left, top, width: side, height: side }, fill);
}

/**
 * Cuts an image into tiles of one size, row by row.
 *
 * @throws {@link InferenceError} `shape` unless its sides are whole numbers of tiles.
 */
export function cutTiles(image: RgbImage, cols: number, rows: number): RgbImage[] {
  const [width, height] = [image.width / cols, image.height / rows];
  if (!Number.isInteger(width) || !Number.isInteger(height)) {
    throw new InferenceError(
      "shape",
      `image: expected sides that ${cols} by ${rows} tiles divide, got ${image.width} by ${image.height}`,
    );
  }
  return Array.from({ length: cols * rows }, (_, i) =>
    cropImage(image, {
      left: (i % cols) * width,
      top: Math.floor(i / cols) * height,
      width,
      height,
    }),
  );
}
