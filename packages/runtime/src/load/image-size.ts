import { InferenceError } from "@frugal/core";

import { gridOf } from "../architectures/vision/vision-layout.ts";
import type { Size, VisionConfig } from "./vision-config.ts";

/**
 * The same encoder for images of another size: learned positions are resampled to its grid.
 *
 * @throws {@link InferenceError} `range` for sizes that are no integers, or smaller than a patch;
 *   `unsupported` for an encoder that takes patches, whose images have any size.
 */
export function withImageSize(config: VisionConfig, imageSize: number | Size): VisionConfig {
  const size: Size = typeof imageSize === "number" ? [imageSize, imageSize] : imageSize;
  if (config.imageSize === null) {
    const message = `imageSize: ${config.architecture} takes patches of images of any size`;
    throw new InferenceError("unsupported", message);
  }
  const isSize = size.length === 2 && size.every(Number.isInteger);
  if (isSize && gridOf(size, config.patchSize).every((cells) => cells > 0)) {
    return { ...config, imageSize: size };
  }
  throw new InferenceError(
    "range",
    `imageSize: expected at least ${config.patchSize.join(" x ")} pixels, got ${size.join(" x ")}`,
  );
}
