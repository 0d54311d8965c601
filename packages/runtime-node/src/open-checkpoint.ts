import { basename, dirname } from "node:path";

import { InferenceError } from "@frugal/core";
import {
  type BlockQuantization,
  type Checkpoint,
  type LoadProgress,
  type ModelConfig,
  type QuantizeOptions,
  readModelFolder,
  readSafetensors,
  type Weight,
  type WeightMap,
} from "@frugal/runtime";

import { FolderFiles } from "./folder-files.ts";
import type { EngineOptions } from "./load-inline.ts";
import { quantizedWeights, repackedWeights } from "./quantized-cache.ts";

/** A model's configuration and where its weights lie, quantized if wanted. */
export interface OpenCheckpoint {
  readonly config: ModelConfig;
  readonly checkpoint: Checkpoint;
  /** Where the files of the checkpoint lie. */
  readonly weightFolder: string;
}

/** Reads a model's folder, and quantizes it where that was asked for and not done before. */
export async function openCheckpoint(
  folder: string,
  { quantize = "none", accuracyLevel = 4, cacheFolder, longTexts = false }: EngineOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<OpenCheckpoint> {
  const files = new FolderFiles(folder);
  const model = await readModelFolder(files, { longTexts });
  const { config } = model;
  const { packing } = model;
  const stored = storedBlocks(model.metadata, accuracyLevel);
  if (quantize === "none" && packing !== null) {
    const path = await repackedWeights(folder, files, model, packing, cacheFolder, onProgress);
    return openBlocks(config, path, packing.groupSize, accuracyLevel);
  }
  if (quantize === "none") {
    const { weights, weightFolder } = await locate(files, model.weights);
    return { config, checkpoint: { weights, quantization: stored }, weightFolder };
  }
  if (packing !== null || stored !== null) {
    throw new InferenceError("range", 'quantize: expected "none" for weights that are quantized');
  }
  const options = quantizeOptions(quantize);
  const path = await quantizedWeights(folder, files, model, options, cacheFolder, onProgress);
  return openBlocks(config, path, options.blockSize ?? 32, accuracyLevel);
}

/** A file of weights in blocks. */
async function openBlocks(
  config: ModelConfig,
  path: string,
  blockSize: number,
  accuracyLevel: 0 | 1 | 4,
): Promise<OpenCheckpoint> {
  const [weightFolder, location] = [dirname(path), basename(path)];
  const { tensors } = await readSafetensors(new FolderFiles(weightFolder), location);
  const weights = new Map([...tensors].map(([name, entry]) => [name, { ...entry, location }]));
  return {
    config,
    checkpoint: { weights, quantization: { blockSize, accuracyLevel } },
    weightFolder,
  };
}

/** How the weights lie in a file that `quantizeCheckpoint` or its like wrote; null for others. */
function storedBlocks(
  metadata: Readonly<Record<string, string>>,
  accuracyLevel: 0 | 1 | 4,
): BlockQuantization | null {
  const stored = metadata["frugal.block_size"];
  if (stored === undefined) return null;
  const blockSize = Number(stored);
  if ([16, 32, 64, 128, 256].includes(blockSize)) return { blockSize, accuracyLevel };
  throw new InferenceError(
    "format",
    `frugal.block_size: expected 16, 32, 64, 128 or 256, got ${JSON.stringify(stored)}`,
  );
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
export async function locate(
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
