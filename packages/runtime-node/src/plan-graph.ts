import { InferenceError } from "@frugal/core";
import {
  adapterConfig,
  adapterWeights,
  buildKangarooAdapter,
  type LoadProgress,
  type ModelConfig,
  type ModelPart,
  planDecoder,
  segmentedAttention,
} from "@frugal/runtime";

import { checkFolder } from "./folder-files.ts";
import type { EngineOptions } from "./load-inline.ts";
import { openCheckpoint } from "./open-checkpoint.ts";
import { commonFolder, within } from "./weight-folders.ts";

/** A graph that is ready to be loaded. */
export interface GraphPlan {
  readonly config: ModelConfig;
  /** What of `config` the graph holds. */
  readonly part: ModelPart;
  readonly graph: Uint8Array;
  /** Where the files lie that the graph refers to. */
  readonly weightFolder: string;
}

/** Builds the graph that the options ask for: of a model, of some of its layers, or of an adapter. */
export function planGraph(
  folder: string,
  options: EngineOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<GraphPlan> {
  const { adapterOf } = options;
  if (adapterOf === undefined) return planModel(folder, options, onProgress);
  if (options.attention !== undefined) {
    throw new InferenceError("unsupported", `attention: ${options.attention.kind} on an adapter`);
  }
  for (const name of ["layers", "scores", "head", "effort"] as const) {
    if (options[name] === undefined) continue;
    throw new InferenceError("range", `${name}: expected none with adapterOf, got some`);
  }
  return planAdapter(folder, adapterOf, options, onProgress);
}

async function planModel(
  folder: string,
  options: EngineOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<GraphPlan> {
  const { config, checkpoint, weightFolder } = await openCheckpoint(folder, options, onProgress);
  return { config, ...planDecoder(config, checkpoint, options), weightFolder };
}

async function planAdapter(
  folder: string,
  modelFolder: string,
  options: EngineOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<GraphPlan> {
  await checkFolder(modelFolder);
  const model = await openCheckpoint(modelFolder, options, onProgress);
  const own = await openCheckpoint(folder, {}, onProgress);
  const config = adapterConfig(own.config, model.config);
  const weightFolder = commonFolder(own.weightFolder, model.weightFolder);
  const weights = adapterWeights(
    within(weightFolder, own.weightFolder, own.checkpoint.weights),
    within(weightFolder, model.weightFolder, model.checkpoint.weights),
    model.config,
  );
  const checkpoint = { weights, quantization: model.checkpoint.quantization };
  const graph = buildKangarooAdapter(config, checkpoint, segmentedAttention);
  const range = { from: 0, to: config.layers };
  return { config, part: { range, tokens: false }, graph, weightFolder };
}
