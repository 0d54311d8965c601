import { InferenceError, type LanguageModel } from "@frugal/core";
import {
  createLanguageModel,
  type LoadProgress,
  modelInfo,
  type RunOptions,
  selfTest,
} from "@frugal/runtime";

import { convertedGguf } from "./converted-gguf.ts";
import { checkDevice } from "./devices.ts";
import { checkFolder } from "./folder-files.ts";
import { folderLayout } from "./folder-layout.ts";
import { loadExported } from "./load-exported.ts";
import type { LoadOptions } from "./load-model.ts";
import { importOrt } from "./ort-node.ts";
import { planGraph } from "./plan-graph.ts";
import { createSession, threadsFor } from "./session.ts";

/** Options that can be sent to a worker. */
export type EngineOptions = Omit<
  LoadOptions,
  "hub" | "inline" | "onProgress" | "signal" | "adapterOf"
> & { readonly adapterOf?: string };

/** Loads a model on the calling thread; see {@link loadModel}. */
export async function loadInline(
  source: string,
  options: EngineOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<LanguageModel> {
  const { device = "cpu", chunk = 256 } = options;
  checkCount("chunk", chunk);
  if (options.threads !== undefined) checkCount("threads", options.threads);
  checkAccuracyLevel(options.accuracyLevel);
  await checkFolder(source);
  const ort = await importOrt();
  await checkDevice(ort, device);

  const { attention, scores } = options;
  const run: RunOptions = {
    chunk,
    ...(attention === undefined ? {} : { attention }),
    ...(scores === undefined ? {} : { scores }),
    clock: () => performance.now(),
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  };
  const layout = await folderLayout(source, options);
  if (layout.kind === "onnx") {
    checkExportable(options);
    onProgress({ phase: "load", fraction: 0 });
    const { threads } = options;
    const session = { device, ...(threads !== undefined && { threads }) };
    const model = await loadExported(ort, source, layout, { ...run, ...session });
    onProgress({ phase: "load", fraction: 1 });
    return model;
  }
  const folder =
    layout.kind === "gguf"
      ? await convertedGguf(source, layout.file, options.cacheFolder, onProgress)
      : source;
  const { config, part, graph, weightFolder } = await planGraph(folder, options, onProgress);
  onProgress({ phase: "load", fraction: 0 });
  const threads = options.threads ?? threadsFor(modelInfo(config, part).parameters);
  const session = await createSession(ort, graph, weightFolder, { device, threads });
  const model = createLanguageModel(ort, session, config, run, part);
  try {
    await selfTest(model);
  } catch (error) {
    await model.dispose();
    throw error;
  }
  onProgress({ phase: "load", fraction: 1 });
  return model;
}

/** @throws {@link InferenceError} `unsupported` for options that need a graph that is built here. */
function checkExportable(options: EngineOptions): void {
  const names = [
    "adapterOf",
    "attention",
    "layers",
    "scores",
    "head",
    "effort",
    "longTexts",
  ] as const;
  const name = names.find((option) => options[option] !== undefined);
  if (name === undefined && (options.quantize ?? "none") === "none") return;
  throw new InferenceError(
    "unsupported",
    `${name ?? "quantize"}: expected a model in safetensors, an exported graph is as it is`,
  );
}

function checkAccuracyLevel(level: number = 4): void {
  if (level === 0 || level === 1 || level === 4) return;
  throw new InferenceError("range", `accuracyLevel: expected 0, 1 or 4, got ${level}`);
}

/** Throws `range` unless `value` is a positive integer. */
export function checkCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new InferenceError("range", `${name}: expected a positive integer, got ${value}`);
  }
}
