import { InferenceError } from "@frugal/core";
import {
  type AttentionProfile,
  buildDecoder,
  layersOf,
  type LoadProgress,
  type ModelConfig,
  type ModelPart,
  segmentedAttention,
  selectiveAttention,
} from "@frugal/runtime";

import type { EngineOptions } from "./engine-start.ts";
import type { WholeFiles } from "./files/open-files.ts";
import { openCheckpoint, type WeightFile } from "./open-checkpoint.ts";
import { widenWeights } from "./widen-weights.ts";

/** A graph that is ready to be loaded. */
export interface GraphPlan {
  readonly config: ModelConfig;
  /** What of `config` the graph holds. */
  readonly part: ModelPart;
  readonly graph: Uint8Array;
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
  const part = layersOf(rangeOf(options.layers ?? [0], config.layers));
  const kernels = onGpu ? "portable" : "cpu";
  const graph = buildDecoder(config, checkpoint, profileOf(options), part.range, kernels);
  return { config, part, graph, weights };
}

/** @throws {@link InferenceError} `unsupported` for a policy on some layers: they choose together. */
function profileOf({ attention, layers }: EngineOptions): AttentionProfile {
  if (attention === undefined) return segmentedAttention;
  if (layers === undefined) return selectiveAttention(attention);
  throw new InferenceError("unsupported", `attention: ${attention.kind} on a range of layers`);
}

function rangeOf(layers: readonly unknown[], count: number): ModelPart["range"] {
  const [from, to = count] = layers;
  if (typeof from === "number" && typeof to === "number") return { from, to };
  throw new InferenceError("range", `layers: expected [from, to], got ${JSON.stringify(layers)}`);
}
