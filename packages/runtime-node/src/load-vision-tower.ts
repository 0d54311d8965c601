import { InferenceError } from "@frugal/core";
import {
  buildVisionEncoder,
  createVisionEncoder,
  parseVisionConfig,
  readJson,
  readWeights,
  type VisionEncoder,
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
   * What `encode` gives: `"hidden.final"` (default), the rows after the final norm; `"hidden.{l}"`, the
   * input of layer `l`, or the output of the last one where `l` is their number; `"pooled"`, one row
   * per image.
   */
  readonly output?: string;
}

/**
 * Builds the vision encoder of a ViT, CLIP or SigLIP checkpoint from `config.json` and safetensors,
 * and loads it, from the sources that {@link loadModel} takes; of a larger model that holds such an
 * encoder, only this. Its input is `pixel_values`, `[n, channels, size, size]`.
 *
 * It runs on the calling thread.
 *
 * @throws {@link InferenceError} `format` for files that are missing or malformed; `shape` for a tensor
 *   that does not fit the configuration; `unsupported` for another architecture or weight type;
 *   `range` for an output that the encoder does not have; `backend` if ONNX Runtime or the download
 *   fails.
 */
export async function loadVisionTower(
  source: string | URL,
  options: VisionTowerOptions = {},
): Promise<VisionEncoder> {
  const { device = "cpu", threads = 0, output = "hidden.final", ...download } = options;
  const folder = await downloadModel(source, { ...download, format: "safetensors" });
  const files = new FolderFiles(folder);
  const json = await readJson(files, "config.json");
  if (json === null) throw new InferenceError("format", "config.json: no such file");
  const config = parseVisionConfig(json);
  const { weights, weightFolder } = await locate(files, (await readWeights(files)).weights);
  const operators = device === "webgpu" ? "portable" : "cpu";
  const graph = buildVisionEncoder(config, weights, operators);
  const ort = await importOrt();
  await checkDevice(ort, device);
  const session = await createSession(ort, graph, weightFolder, { device, threads });
  if (session.outputNames.includes(output)) return createVisionEncoder(ort, session, output);
  const names = session.outputNames.join(", ");
  await session.release();
  throw new InferenceError("range", `output: expected one of ${names}, got ${output}`);
}
