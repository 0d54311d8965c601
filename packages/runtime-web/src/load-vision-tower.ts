import type { LoadProgress, ReducedTower, TokenReduction, VisionEncoder } from "@frugal/runtime";

import { addressOf, type ModelSource, type SourceOptions } from "./files/model-source.ts";
import { baseUrl } from "./files/open-files.ts";
import { type OrtLocation, ortScripts } from "./ort-scripts.ts";

/** How {@link loadVisionTower} loads an encoder. */
export interface VisionTowerOptions extends SourceOptions, OrtLocation {
  /** Threads, on pages that are cross-origin isolated; default half the cores up to four. */
  readonly threads?: number;
  /**
   * What `encode` gives; nothing else is computed. `"features"`, the rows that the decoder takes as
   * `Block.embeddings`, is the default for a vision-language model; `"hidden.final"`, the rows after the
   * final norm, for an encoder on its own; `"hidden.{l}"` is the input of layer `l`, or the output of
   * the last one where `l` is their number; `"pooled"` one row per image; `"keys.{l}"`,
   * `"class_attention.{l}"` and `"class_attention"` what selections of visual tokens look at.
   */
  readonly output?: string;
  /**
   * Height and width of the images in pixels, or one number for both; learned positions are resampled
   * (bicubic) where it is not what the configuration states, which is the default.
   */
  readonly imageSize?: number | readonly [height: number, width: number];
  /**
   * What makes the rows of an image fewer inside the encoder; for ViT, CLIP and SigLIP, alone or in
   * LLaVA. The encoder is a `ReducedTower` then, which says what its rows stand for.
   */
  readonly reduce?: TokenReduction;
  /**
   * `[from, to]`: only these layers. From layer 0 on the input is images, above it `hidden`
   * `[n, rows, width]` of any number of rows; of a range that ends before the last layer the output is
   * `"hidden.{to}"`.
   */
  readonly layers?: readonly [from: number, to: number];
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Ends loading at once. */
  readonly signal?: AbortSignal;
}

/**
 * Builds a vision encoder from `config.json` and safetensors, and loads it, from the sources that
 * {@link loadModel} takes, whose downloads it shares: ViT, or the tower of CLIP or SigLIP, alone or
 * inside a larger model; of LLaVA, Idefics3, SmolVLM and Qwen2-VL the encoder with its projector, whose
 * rows go to the decoder that `loadModel` loads from the same source. See `createVisionTower` of
 * `@frugal/runtime` for the inputs of each.
 *
 * It runs in WebAssembly on the calling thread, which it blocks: call it in a worker. Memory: the
 * shards that hold the encoder, in the engine; while loading, in JavaScript too.
 *
 * @throws the signal's reason; {@link InferenceError} `format` for files that are missing or malformed;
 *   `shape` for a tensor that does not fit the configuration; `unsupported` for another architecture or
 *   weight type; `range` for an output, layers or a reduction that do not fit, or a bad image size; `backend` if
 *   ONNX Runtime, the network or a server fails.
 */
export async function loadVisionTower(
  source: ModelSource,
  options: VisionTowerOptions & { readonly reduce: TokenReduction },
): Promise<ReducedTower>;
export async function loadVisionTower(
  source: ModelSource,
  options?: VisionTowerOptions,
): Promise<VisionEncoder>;
export async function loadVisionTower(
  source: ModelSource,
  options: VisionTowerOptions = {},
): Promise<VisionEncoder> {
  options.signal?.throwIfAborted();
  const address = addressOf(source, baseUrl(), options);
  // Apart, so that pages without it do not download it.
  const { buildTower } = await import("./build-tower.ts");
  return buildTower(address, ortScripts(options), options);
}
