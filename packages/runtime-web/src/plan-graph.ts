import {
  addByteBlocks,
  type DecoderPlan,
  type LoadProgress,
  type ModelConfig,
  planDecoder,
} from "@frugal/runtime";

import type { GpuDevice } from "./devices.ts";
import type { EngineOptions } from "./engine-start.ts";
import type { WholeFiles } from "./files/open-files.ts";
import { type OpenCheckpoint, openCheckpoint, type WeightFile } from "./open-checkpoint.ts";
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
  const wanted =
    gpu === null ? withBytes(opened) : widenWeights(opened, gpu.features.has("shader-f16"));
  const { config, checkpoint, files: weights } = wanted;
  const plan = planDecoder(config, checkpoint, { ...options, keepsOutputs: gpu !== null });
  return { config, ...plan, weights };
}

/** With weights in blocks as bytes too, whose products WebAssembly is fast in; rounds as level 4 does. */
function withBytes(opened: OpenCheckpoint): OpenCheckpoint {
  const { config, checkpoint, files } = opened;
  if (checkpoint.quantization?.accuracyLevel !== 4) return opened;
  const stored = new Map(files.map(({ path, data }) => [path, data]));
  const added = addByteBlocks(checkpoint, ({ location, offset, length }) =>
    stored.get(location)!.subarray(offset, offset + length),
  );
  return { config, checkpoint: added.checkpoint, files: [...files, added.file] };
}
