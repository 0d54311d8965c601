import { InferenceError, type LanguageModel } from "@frugal/core";
import type { LoadProgress } from "@frugal/runtime";

import type { Device } from "./devices.ts";
import type { EngineStart, OrtScripts } from "./engine-start.ts";
import { loadEngine } from "./load-engine.ts";
import { importOrtFrom, type OrtWeb } from "./ort-web.ts";

/** Loads a model on the page's own thread; see {@link loadModel}. */
export async function loadOnPage(
  start: EngineStart,
  onProgress: (progress: LoadProgress) => void,
  signal?: AbortSignal,
): Promise<LanguageModel> {
  const ort = await importOrt(start.scripts, start.engine.device);
  return loadEngine(ort, start, onProgress, signal);
}

/** ONNX Runtime, for the page's own thread. */
export async function importOrt(
  { ort: url }: OrtScripts,
  device: Device = "wasm",
): Promise<OrtWeb> {
  if (url !== null) return importOrtFrom(url);
  try {
    if (device === "webgpu") return await import("onnxruntime-web/webgpu");
    return await import("onnxruntime-web/wasm");
  } catch (cause) {
    throw new InferenceError("backend", `onnxruntime-web could not be loaded: ${String(cause)}`, {
      cause,
    });
  }
}
