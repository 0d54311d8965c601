import { InferenceError } from "@frugal/core";
import { createVisionEncoder, type VisionEncoder } from "@frugal/runtime";

import { checkDevice, type Device } from "./devices.ts";
import { folderLayout } from "./folder-layout.ts";
import { downloadModel, type DownloadOptions } from "./hub/download-model.ts";
import { createFileSession } from "./session.ts";
import { importOrt } from "./ort-node.ts";

/** How {@link loadVisionEncoder} loads an encoder. */
export interface VisionOptions extends DownloadOptions {
  /** Default `"cpu"`. */
  readonly device?: Device;
  /** Threads of the CPU provider; default ONNX Runtime's choice. */
  readonly threads?: number;
}

/**
 * Loads the vision encoder of an exported vision-language model, from the sources that
 * {@link loadModel} takes. The decoder of the same folder, loaded by `loadModel`, takes the rows as
 * `Block.embeddings`: all of them, or those that a pruner keeps.
 *
 * It runs on the calling thread.
 *
 * @throws {@link InferenceError} `format` if the model has no such graph; `backend` if ONNX Runtime
 *   or the download fails.
 */
export async function loadVisionEncoder(
  source: string | URL,
  options: VisionOptions = {},
): Promise<VisionEncoder> {
  const { device = "cpu", threads = 0, ...download } = options;
  const folder = await downloadModel(source, { ...download, format: "onnx" });
  const layout = await folderLayout(folder, { ...download, format: "onnx" });
  if (layout.kind !== "onnx" || layout.vision === null) {
    throw new InferenceError("format", `${folder}: expected a vision encoder among the graphs`);
  }
  const ort = await importOrt();
  await checkDevice(ort, device);
  const session = await createFileSession(ort, folder, layout.vision, { device, threads });
  return createVisionEncoder(ort, session);
}
