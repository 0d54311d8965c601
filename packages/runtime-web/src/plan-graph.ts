import {
  type DecoderPlan,
  type LoadProgress,
  type ModelConfig,
  planDecoder,
} from "@frugal/runtime";

import type { GpuDevice } from "./devices.ts";
import type { EngineOptions } from "./engine-start.ts";
import type { WholeFiles } from "./files/open-files.ts";
import { openCheckpoint, type WeightFile } from "./open-checkpoint.ts";
import { widenWeights } from "./widen-weights.ts";

/** A graph that is ready to be loaded. */
export interface GraphPlan extends DecoderPlan {
  readonly config: ModelConfig;
  readonly weights: readonly WeightFile[];
}

/** Fetches a model and builds the graph that the options ask for, on a graphics card if there is one. */
export async function planGraph(
  files: WholeFiles,
  options: EngineOptions,
  gpu: GpuDevice | null,
  onProgress: (progress: LoadProgress) => void,
): Promise<GraphPlan> {
  const opened = await openCheckpoint(files, options, onProgress);
  const wanted = gpu === null ? opened : widenWeights(opened, gpu.features.has("shader-f16"));
  const { config, checkpoint, files: weights } = wanted;
  const plan = planDecoder(config, checkpoint, { ...options, keepsOutputs: gpu !== null });
  return { config, ...plan, weights };
}
