import { InferenceError } from "@frugal/core";

/** A picture: three bytes per pixel (red, green, blue), rows from the top, without gaps. */
export interface RgbImage {
  /** `[height, width, 3]`. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/**
 * @throws {@link InferenceError} `range` unless both sides are positive integers; `shape` if the data
 *   have another length than they say.
 */
export function checkImage({ data, width, height }: RgbImage): void {
  checkSize(width, height);
  if (data.length === 3 * width * height) return;
  const expected = `${3 * width * height} bytes for ${width} by ${height} pixels`;
  throw new InferenceError("shape", `image: expected ${expected}, got ${data.length}`);
}

/** @throws {@link InferenceError} `range` unless both sides are positive integers below 2^16. */
export function checkSize(width: number, height: number): void {
  for (const side of [width, height]) {
    if (Number.isInteger(side) && side >= 1 && side < 2 ** 16) continue;
    throw new InferenceError(
      "range",
      `image: expected sides of 1 to 65535 pixels, got ${width} by ${height}`,
    );
  }
}

/**
 * The red, green and blue of pixels of four bytes, as a canvas gives them; their opacity is dropped,
 * as `convert("RGB")` of Pillow does.
 */
export function fromRgba(
  data: Uint8Array | Uint8ClampedArray,
  width: number,
  height: number,
): RgbImage {
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0, j = 0; j < rgb.length; i += 4, j += 3) {
    rgb[j] = data[i]!;
    rgb[j + 1] = data[i + 1]!;
    rgb[j + 2] = data[i + 2]!;
  }
  return { data: rgb, width, height };
}
