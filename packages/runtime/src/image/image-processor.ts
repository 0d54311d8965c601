import { InferenceError } from "@frugal/core";

import type { EncoderInput } from "../exported/vision-encoder.ts";
import { describeValue } from "../load/describe-value.ts";
import { type Json, object } from "../load/json-fields.ts";
import { cropCenter, cutTiles, padToSquare } from "./crop-image.ts";
import { type Normalization, toPatches, toPixelValues } from "./pixel-values.ts";
import type { Filter } from "./resampling.ts";
import { resizeImage } from "./resize-image.ts";
import { checkImage, type RgbImage } from "./rgb-image.ts";

/** The size that an image is resized to before it is cut, as the tilers of `@frugal/vision-tokens` plan it. */
export type ImagePlan = (
  width: number,
  height: number,
) => { readonly width: number; readonly height: number };

/** What images become: inputs for `VisionEncoder.encode`, and how each was cut. */
export interface ProcessedImages {
  readonly inputs: Readonly<Record<string, EncoderInput>>;
  /**
   * Of each image its grid of tiles, 0 by 0 where there is only the whole image; its grid of patches
   * where the encoder takes patches.
   */
  readonly grids: readonly { readonly cols: number; readonly rows: number }[];
}

/** Prepares images for the encoder of one model. */
export type ImageProcessor = (images: readonly RgbImage[]) => ProcessedImages;

/**
 * The image processor that a `preprocessor_config.json` describes, with the results of transformers'
 * (those built on Pillow; those on torchvision differ by a level here and there):
 *
 * - CLIP, SigLIP, ViT, LLaVA: images of one size, resized, padded and cropped as configured;
 *   `pixel_values` `[n, 3, h, w]`.
 * - Idefics3, SmolVLM: tiles and the whole image after them; `pixel_values` `[1, tiles, 3, h, w]` and
 *   `pixel_attention_mask` `[1, tiles, h, w]`, the tiles of all images one after the other.
 * - Qwen2-VL, Qwen2.5-VL: `pixel_values` `[patches, 3 · 2 · 14²]` and `image_grid_thw` `[n, 3]`; `plan`
 *   says what an image is resized to: `qwen()` of `@frugal/vision-tokens`.
 *
 * @throws {@link InferenceError} `unsupported` for another processor; `format` for a field that is
 *   missing or of the wrong type; `range` for a processor that needs a plan, without one.
 */
export function createImageProcessor(config: unknown, plan?: ImagePlan): ImageProcessor {
  const json = object("preprocessor_config.json", config);
  const type = String(json["image_processor_type"] ?? json["feature_extractor_type"]);
  const kind = type.replace(/(ImageProcessor|FeatureExtractor)(Fast|Pil)?$/, "");
  if (["CLIP", "Siglip", "ViT", "Llava"].includes(kind)) return fixedSize(json, kind === "Llava");
  if (kind === "Idefics3" || kind === "SmolVLM") return tiled(json);
  if (kind === "Qwen2VL" || kind === "Qwen2_5_VL") return patched(json, plan);
  throw new InferenceError(
    "unsupported",
    "preprocessor_config.json: image_processor_type: expected one of CLIP, Siglip, ViT, Llava, " +
      `Idefics3, SmolVLM, Qwen2VL, got ${describeValue(json["image_processor_type"])}`,
  );
}

function fixedSize(json: Json, padsFirst: boolean): ImageProcessor {
  const filter = filterOf(json);
  const normalization = normalizationOf(json);
  const size = json["do_resize"] === false ? null : sizeOf(json, "size");
  // ViT and SigLIP never crop, and older files of theirs do not say so.
  const crops = json["do_center_crop"] ?? (json["crop_size"] ?? null) !== null;
  const crop = crops === true ? sizeOf(json, "crop_size") : null;
  const ground = normalization.mean.map((mean) => Math.trunc(mean * 255));
  const pads = padsFirst && json["do_pad"] === true;
  const one = (image: RgbImage): RgbImage => {
    checkImage(image);
    let result = pads ? padToSquare(image, ground as [number, number, number]) : image;
    if (size !== null) {
      const { width, height } = size.shortest ? byShorterSide(result, size.width) : size;
      result = resizeImage(result, width, height, filter);
    }
    return crop === null ? result : cropCenter(result, crop.width, crop.height);
  };
  return (images) => ({
    inputs: { pixel_values: toPixelValues(images.map(one), normalization) },
    grids: images.map(() => ({ cols: 0, rows: 0 })),
  });
}

/** The shorter side gets a length, the longer one keeps the ratio. */
function byShorterSide({ width, height }: RgbImage, shorter: number): Sides {
  const longer = Math.trunc((shorter * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: shorter, height: longer } : { width: longer, height: shorter };
}

function tiled(json: Json): ImageProcessor {
  const filter = filterOf(json, "lanczos");
  const normalization = normalizationOf(json);
  const longest = edgeOf(json, "size");
  const tile = edgeOf(json, "max_image_size");
  const splits = json["do_image_splitting"] !== false;
  const cut = (image: RgbImage): { tiles: RgbImage[]; cols: number; rows: number } => {
    checkImage(image);
    const first = byLongerSide(image, longest);
    const resized = resizeImage(image, first.width, first.height, filter);
    if (!splits) {
      return { tiles: [resizeImage(resized, tile, tile, filter)], cols: 0, rows: 0 };
    }
    const whole = wholeTiles(first, tile);
    const [cols, rows] = [whole.width / tile, whole.height / tile];
    const fitted = resizeImage(resized, whole.width, whole.height, filter);
    if (cols * rows === 1) return { tiles: [fitted], cols: 0, rows: 0 };
    const overview = resizeImage(fitted, tile, tile, filter);
    return { tiles: [...cutTiles(fitted, cols, rows), overview], cols, rows };
  };
  return (images) => {
    const parts = images.map(cut);
    const { data, dims } = toPixelValues(
      parts.flatMap(({ tiles }) => tiles),
      normalization,
    );
    const mask = new Int32Array(dims[0]! * tile * tile).fill(1);
    return {
      inputs: {
        pixel_values: { data, dims: [1, ...dims] },
        pixel_attention_mask: { data: mask, dims: [1, dims[0]!, tile, tile] },
      },
      grids: parts.map(({ cols, rows }) => ({ cols, rows })),
    };
  };
}

interface Sides {
  readonly width: number;
  readonly height: number;
}

/** More pixels on a side than Idefics3 ever makes of an image. */
const mostPixels = 4096;

/** The longer side gets a length, the shorter one keeps the ratio and becomes even. */
function byLongerSide({ width, height }: Sides, longer: number): Sides {
  const ratio = width / height;
  const cut = Math.trunc(width >= height ? longer / ratio : longer * ratio);
  const shorter = Math.max(1, cut + (cut % 2));
  const sides: Sides =
    width >= height ? { width: longer, height: shorter } : { width: shorter, height: longer };
  if (longer <= mostPixels) return sides;
  const scaled = sides.width / sides.height;
  const least = Math.max(
    1,
    Math.trunc(width >= height ? mostPixels / scaled : mostPixels * scaled),
  );
  return width >= height
    ? { width: mostPixels, height: least }
    : { width: least, height: mostPixels };
}

/** Both sides rounded up to whole tiles, the shorter one after it has grown with the longer. */
function wholeTiles({ width, height }: Sides, tile: number): Sides {
  const up = (side: number): number => Math.ceil(side / tile) * tile;
  const ratio = width / height;
  if (width >= height) return { width: up(width), height: up(Math.trunc(up(width) / ratio)) };
  return { width: up(Math.trunc(up(height) * ratio)), height: up(height) };
}

function patched(json: Json, plan: ImagePlan | undefined): ImageProcessor {
  if (plan === undefined) {
    throw new InferenceError("range", "plan: expected one for images of any size, got undefined");
  }
  const filter = filterOf(json);
  const options = {
    ...normalizationOf(json),
    patch: integer(json, "patch_size", 14),
    merge: integer(json, "merge_size", 2),
    frames: integer(json, "temporal_patch_size", 2),
  };
  return (images) => {
    const resized = images.map((image) => {
      const { width, height } = plan(image.width, image.height);
      return resizeImage(image, width, height, filter);
    });
    const inputs = toPatches(resized, options);
    const { patch } = options;
    const grids = resized.map(({ width, height }) => ({
      cols: width / patch,
      rows: height / patch,
    }));
    return { inputs: { ...inputs }, grids };
  };
}

/** Filters by their numbers in Pillow. */
const resampling: Readonly<Record<number, Filter>> = { 1: "lanczos", 2: "bilinear", 3: "bicubic" };

function filterOf(json: Json, fallback: Filter = "bicubic"): Filter {
  const value = json["resample"] ?? null;
  const filter = value === null ? fallback : resampling[value as number];
  if (filter !== undefined) return filter;
  throw new InferenceError(
    "unsupported",
    `preprocessor_config.json: resample: expected 1, 2 or 3, got ${describeValue(value)}`,
  );
}

function normalizationOf(json: Json): Normalization {
  const rescales = json["do_rescale"] !== false;
  const normalizes = json["do_normalize"] !== false;
  return {
    scale: rescales ? number(json, "rescale_factor", 1 / 255) : 1,
    mean: normalizes ? three(json, "image_mean") : [0, 0, 0],
    std: normalizes ? three(json, "image_std") : [1, 1, 1],
  };
}

/** A size: a number, `{ shortest_edge }` or `{ height, width }`. */
function sizeOf(json: Json, field: string): Sides & { readonly shortest: boolean } {
  const value = json[field];
  if (typeof value === "number") {
    const side = integer(json, field);
    return { width: side, height: side, shortest: field === "size" };
  }
  const size = object(`preprocessor_config.json: ${field}`, value);
  if ((size["shortest_edge"] ?? null) !== null) {
    const side = integer(size, "shortest_edge");
    return { width: side, height: side, shortest: true };
  }
  return { width: integer(size, "width"), height: integer(size, "height"), shortest: false };
}

function edgeOf(json: Json, field: string): number {
  return integer(object(`preprocessor_config.json: ${field}`, json[field]), "longest_edge");
}

function integer(json: Json, field: string, fallback?: number): number {
  const value = json[field] ?? fallback;
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) < 2 ** 16) {
    return value as number;
  }
  throw wrong(field, "an integer of 1 to 65535", value);
}

function number(json: Json, field: string, fallback: number): number {
  const value = json[field] ?? fallback;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw wrong(field, "a number", value);
}

function three(json: Json, field: string): readonly number[] {
  const value = json[field];
  const isList = Array.isArray(value) && value.length === 3;
  if (isList && value.every((each) => Number.isFinite(each))) return value as number[];
  throw wrong(field, "three numbers", value);
}

function wrong(field: string, expected: string, value: unknown): InferenceError {
  return new InferenceError(
    "format",
    `preprocessor_config.json: ${field}: expected ${expected}, got ${describeValue(value)}`,
  );
}
