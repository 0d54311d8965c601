import { readFile } from "node:fs/promises";

import { InferenceError } from "@frugal/core";
import type { RgbImage } from "@frugal/runtime";

import { onPath } from "./on-path.ts";

/**
 * Decodes a picture with `sharp`, an optional peer dependency: JPEG, PNG, WebP, GIF (its first frame),
 * AVIF, TIFF, SVG. It is turned as its Exif data say; opacity is dropped; grey levels and palettes
 * become colors. Colors of an embedded profile are converted to sRGB, which Pillow does not do.
 *
 * @param source the bytes of the file, or where it lies
 * @throws {@link InferenceError} `format` for what is no picture or has more than 2^28 pixels;
 *   `backend` if the file cannot be read or `sharp` is not installed.
 */
export async function decodeImage(source: Uint8Array | string | URL): Promise<RgbImage> {
  const sharp = await importSharp();
  const name = source instanceof Uint8Array ? "image" : String(source);
  const bytes = source instanceof Uint8Array ? source : await onPath(name, () => readFile(source));
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: 2 ** 28 })
      .autoOrient()
      .toColourspace("srgb")
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return {
      data: new Uint8Array(data.buffer, data.byteOffset, data.length),
      width: info.width,
      height: info.height,
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("format", `${name}: ${reason}`, { cause });
  }
}

async function importSharp(): Promise<typeof import("sharp").default> {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    const message = "sharp could not be loaded; install it with: npm install sharp";
    throw new InferenceError("backend", message, { cause });
  }
}
