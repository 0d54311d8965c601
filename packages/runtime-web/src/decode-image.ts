import { InferenceError } from "@frugal/core";
import { fromRgba, type RgbImage } from "@frugal/runtime";

/**
 * Decodes a picture with the browser's own decoders, in a page or in a worker: JPEG, PNG, WebP, GIF
 * (its first frame), AVIF and what else the browser shows. It is turned as its Exif data say; colors of
 * an embedded profile are left as they are. Where a picture is not opaque, its colors are rounded,
 * because a canvas stores them multiplied by their opacity; where it is invisible, they are black.
 *
 * @throws {@link InferenceError} `format` for what is no picture.
 */
export async function decodeImage(source: Blob | Uint8Array<ArrayBuffer>): Promise<RgbImage> {
  const blob = source instanceof Blob ? source : new Blob([source]);
  const bitmap = await createImageBitmap(blob, {
    colorSpaceConversion: "none",
    imageOrientation: "from-image",
    premultiplyAlpha: "none",
  }).catch((cause: unknown) => {
    const name = blob instanceof File ? blob.name : "image";
    throw new InferenceError("format", `${name}: ${String(cause)}`, { cause });
  });
  const { width, height } = bitmap;
  try {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    context.drawImage(bitmap, 0, 0);
    return fromRgba(context.getImageData(0, 0, width, height).data, width, height);
  } finally {
    bitmap.close();
  }
}
