import {
  type DecoderPlan,
  type LoadProgress,
  type ModelConfig,
  planDecoder,
} from "@frugal/runtime";

import type { EngineOptions } from "./engine-start.ts";
import type { WholeFiles } from "./files/open-files.ts";
import { openCheckpoint, type WeightFile } from "./open-checkpoint.ts";
import { widenWeights } from "./widen-weights.ts";

/** A graph that is ready to be loaded. */
export interface GraphPlan extends DecoderPlan {
  readonly config: ModelConfig;
  readonly weights: readonly WeightFile[];
}

/** Fetches a model and builds the graph that the options ask for. */
export async function planGraph(
  files: WholeFiles,
  options: EngineOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<GraphPlan> {
  const opened = await openCheckpoint(files, options, onProgress);
  const onGpu = options.device === "webgpu";
  const { config, checkpoint, files: weights } = onGpu ? widenWeights(opened) : opened;
  const plan = planDecoder(config, checkpoint, { ...options, keepsOutputs: onGpu });
  return { config, ...plan, weights };
}
