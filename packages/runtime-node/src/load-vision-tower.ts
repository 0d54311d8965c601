import { InferenceError } from "@frugal/core";
import {
  buildVisionEncoder,
  parseVisionConfig,
  planTower,
  readJson,
  readWeights,
  type ReducedTower,
  type TokenReduction,
  type VisionEncoder,
  withImageSize,
} from "@frugal/runtime";

import { checkDevice } from "./devices.ts";
import { FolderFiles } from "./folder-files.ts";
import { downloadModel } from "./hub/download-model.ts";
import type { VisionOptions } from "./load-vision-encoder.ts";
import { locate } from "./open-checkpoint.ts";
import { importOrt } from "./ort-node.ts";
import { createSession } from "./session.ts";

/** How {@link loadVisionTower} loads an encoder. */
export interface VisionTowerOptions extends Omit<VisionOptions, "format" | "variant"> {
  /**
   * What `encode` gives; nothing else is computed. `"features"`, the rows that the decoder takes as
   * `Block.embeddings`, is the default for a vision-language model; `"hidden.final"`, the rows after the
   * final norm, for an encoder on its own; `"hidden.{l}"` is the input of layer `l`, or the output of
   * the last one where `l` is their number; `"pooled"` one row per image; `"newline"` the row that
   * stands behind every row of tiles in LLaVA-NeXT and LLaVA-OneVision, for no input; `"keys.{l}"`,
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
   * `[from, to]`: only these layers, so that what is between them happens outside: rows leave early, or
   * a head of yours looks at them. From layer 0 on the input is images, above it `hidden`
   * `[n, rows, width]` of any number of rows. Of a range that ends before the last layer the output is
   * `"hidden.{to}"`.
   */
  readonly layers?: readonly [from: number, to: number];
}

/**
 * Builds a vision encoder from `config.json` and safetensors, and loads it, from the sources that
 * {@link loadModel} takes: ViT, or the tower of CLIP or SigLIP, alone or inside a larger model; of LLaVA and
 * its successors, Idefics3, SmolVLM, Qwen2-VL and Qwen2.5-VL the encoder with its projector, whose rows go to the decoder that
 * `loadModel` loads from the same source. See `createVisionTower` for the inputs of each.
 *
 * It runs on the calling thread.
 *
 * @throws {@link InferenceError} `format` for files that are missing or malformed; `shape` for a tensor
 *   that does not fit the configuration; `unsupported` for another architecture or weight type;
 *   `range` for an output or layers that the encoder does not have, a bad image size, or a reduction
 *   that does not fit; `backend` if ONNX Runtime or the download fails.
 */
export async function loadVisionTower(
  source: string | URL,
  options: VisionTowerOptions & { readonly reduce: TokenReduction },
): Promise<ReducedTower>;
export async function loadVisionTower(
  source: string | URL,
  options?: VisionTowerOptions,
): Promise<VisionEncoder>;
export async function loadVisionTower(
  source: string | URL,
  options: VisionTowerOptions = {},
): Promise<VisionEncoder> {
  const { device = "cpu", threads = 0, output, imageSize, reduce, layers, ...download } = options;
  const folder = await downloadModel(source, { ...download, format: "safetensors" });
  const files = new FolderFiles(folder);
  const json = await readJson(files, "config.json");
  if (json === null) throw new InferenceError("format", "config.json: no such file");
  const stated = parseVisionConfig(json);
  const config = imageSize === undefined ? stated : withImageSize(stated, imageSize);
  const { weights, weightFolder } = await locate(files, (await readWeights(files)).weights);
  const operators = device === "webgpu" ? "portable" : "cpu";
  const plan = planTower(config, { output, reduce, layers });
  const graph = buildVisionEncoder(config, weights, operators, plan.graph);
  const ort = await importOrt();
  await checkDevice(ort, device);
  const session = await createSession(ort, graph, weightFolder, { device, threads });
  return plan.create(ort, session);
}
