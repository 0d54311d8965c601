import { basename, dirname } from "node:path";

import { InferenceError, type LanguageModel } from "@frugal/core";
import {
  buildDecoder,
  type Checkpoint,
  createLanguageModel,
  type LoadProgress,
  type ModelConfig,
  modelInfo,
  type QuantizeOptions,
  readModelFolder,
  readSafetensors,
  segmentedAttention,
  selfTest,
  type Weight,
  type WeightMap,
} from "@frugal/runtime";

import { checkDevice, type Device } from "./devices.ts";
import { checkFolder, FolderFiles } from "./folder-files.ts";
import type { LoadOptions } from "./load-model.ts";
import { importOrt, type OrtNode } from "./ort-node.ts";
import { quantizedWeights } from "./quantized-cache.ts";

/** Options that can be sent to a worker. */
export type EngineOptions = Omit<LoadOptions, "hub" | "inline" | "onProgress" | "signal">;

/** Models below this size run on one thread: their steps are over before a second one helps. */
const singleThreadParameters = 4_000_000;

/** Loads a model on the calling thread; see {@link loadModel}. */
export async function loadInline(
  folder: string,
  options: EngineOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<LanguageModel> {
  const { device = "cpu", chunk = 256 } = options;
  checkCount("chunk", chunk);
  if (options.threads !== undefined) checkCount("threads", options.threads);
  checkAccuracyLevel(options.accuracyLevel);
  await checkFolder(folder);
  const ort = await importOrt();
  await checkDevice(ort, device);

  const { config, checkpoint, weightFolder } = await openCheckpoint(folder, options, onProgress);
  onProgress({ phase: "load", fraction: 0 });
  const graph = buildDecoder(config, checkpoint, segmentedAttention);
  const small = modelInfo(config).parameters < singleThreadParameters;
  const threads = options.threads ?? (small ? 1 : 0);
  const session = await createSession(ort, graph, weightFolder, device, threads);
  const model = createLanguageModel(ort, session, config, {
    chunk,
    clock: () => performance.now(),
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  });
  try {
    await selfTest(model);
  } catch (error) {
    await model.dispose();
    throw error;
  }
  onProgress({ phase: "load", fraction: 1 });
  return model;
}

interface OpenCheckpoint {
  readonly config: ModelConfig;
  readonly checkpoint: Checkpoint;
  /** Where the files of the checkpoint lie. */
  readonly weightFolder: string;
}

async function openCheckpoint(
  folder: string,
  { quantize = "none", accuracyLevel = 4, cacheFolder }: EngineOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<OpenCheckpoint> {
  const files = new FolderFiles(folder);
  const model = await readModelFolder(files);
  const { config } = model;
  if (quantize === "none") {
    const { weights, weightFolder } = await locate(files, model.weights);
    return { config, checkpoint: { weights, quantization: null }, weightFolder };
  }
  const options = quantizeOptions(quantize);
  const path = await quantizedWeights(folder, files, model, options, cacheFolder, onProgress);
  const [weightFolder, location] = [dirname(path), basename(path)];
  const { tensors } = await readSafetensors(new FolderFiles(weightFolder), location);
  const weights = new Map([...tensors].map(([name, entry]) => [name, { ...entry, location }]));
  const blockSize = options.blockSize ?? 32;
  return {
    config,
    checkpoint: { weights, quantization: { blockSize, accuracyLevel } },
    weightFolder,
  };
}

function quantizeOptions(quantize: "q8" | "q4" | QuantizeOptions): QuantizeOptions {
  if (quantize === "q8") return { bits: 8 };
  if (quantize === "q4") return { bits: 4 };
  if (typeof quantize === "object" && (quantize.bits === 4 || quantize.bits === 8)) return quantize;
  throw new InferenceError(
    "range",
    `quantize: expected "none", "q8", "q4" or options, got ${JSON.stringify(quantize)}`,
  );
}

/** Follows links: ONNX Runtime opens the targets, which must lie in one folder. */
async function locate(
  files: FolderFiles,
  weights: WeightMap,
): Promise<{ weights: WeightMap; weightFolder: string }> {
  const names = new Map<string, string>();
  const folders = new Set<string>();
  for (const location of new Set([...weights.values()].map((weight) => weight.location))) {
    const { folder, name } = await files.resolve(location);
    names.set(location, name);
    folders.add(folder);
  }
  if (folders.size > 1) {
    throw new InferenceError(
      "unsupported",
      `weights: expected all shards in one folder, they lie in ${[...folders].join(" and ")}`,
    );
  }
  const located = new Map<string, Weight>();
  for (const [name, weight] of weights) {
    located.set(name, { ...weight, location: names.get(weight.location)! });
  }
  return { weights: located, weightFolder: [...folders][0]! };
}

async function createSession(
  ort: OrtNode,
  graph: Uint8Array,
  weightFolder: string,
  device: Device,
  threads: number,
) {
  try {
    return await ort.InferenceSession.create(graph, {
      executionProviders: [device],
      intraOpNumThreads: threads,
      logSeverityLevel: 3,
      extra: { session: { model_external_initializers_file_folder_path: weightFolder } },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("backend", `ONNX Runtime: ${reason}`, { cause });
  }
}

function checkAccuracyLevel(level: number = 4): void {
  if (level === 0 || level === 1 || level === 4) return;
  throw new InferenceError("range", `accuracyLevel: expected 0, 1 or 4, got ${level}`);
}

function checkCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new InferenceError("range", `${name}: expected a positive integer, got ${value}`);
  }
}
