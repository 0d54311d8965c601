import {
  type AttentionPolicy,
  type ImageEffort,
  InferenceError,
  type ScoreKind,
} from "@frugal/core";

import { layersOf, type ModelPart } from "../architectures/model-part.ts";
import type { ModelConfig } from "../load/model-config.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { AttentionProfile } from "./attention/attention-profile.ts";
import { sharedAttention } from "./attention/grouped-query.ts";
import {
  reportingAttention,
  segmentedAttention,
  selectiveAttention,
} from "./attention/segmented.ts";
import { checkEffort } from "./check-effort.ts";
import { buildDecoder } from "./decoder.ts";
import { buildMoveRows } from "./move-rows.ts";

/** What an adapter's options say about the graph. */
export interface DecoderOptions {
  /** `[from, to]`, `to` by default the last; all layers without it. */
  readonly layers?: readonly unknown[];
  readonly attention?: AttentionPolicy;
  readonly device?: string;
  /** What the last layer can report of its attention. Absent: nothing. */
  readonly scores?: ScoreKind;
  /** False leaves out the head, of a range whose logits nobody asks for. */
  readonly head?: boolean;
  /** What the layers do less for rows of images. */
  readonly effort?: ImageEffort;
  /** Whether outputs can stay on the device, and be written in place; then the cache does. */
  readonly keepsOutputs?: boolean;
}

/** A graph, and what of the model it holds. */
export interface DecoderPlan {
  readonly part: ModelPart;
  readonly graph: Uint8Array;
  /** The graph that moves rows of the cache where that is on the device, see {@link buildMoveRows}. */
  readonly moveRows: Uint8Array | null;
  /** Outputs of both graphs that stay on the device. */
  readonly onDevice: readonly string[];
}

/**
 * Builds the graph that options ask for, of operators that the device has kernels for.
 *
 * @throws {@link InferenceError} `range` for layers that are no two numbers or a kind of scores that
 *   does not exist; `unsupported` for an attention policy on some layers, since they choose together,
 *   or beside scores; and as {@link buildDecoder}.
 */
export function planDecoder(
  config: ModelConfig,
  checkpoint: Checkpoint,
  options: DecoderOptions,
): DecoderPlan {
  const { layers = [0], head = true, effort } = options;
  if (effort !== undefined) checkEffort(effort, config, options);
  const range = { ...rangeOf(layers, config.layers), head, ...(effort && { effort }) };
  const part = layersOf(range);
  const operators = options.device === "webgpu" ? "portable" : "cpu";
  const profile = profileOf(options, part);
  const graph = buildDecoder(config, checkpoint, profile, part.range, operators);
  if (profile !== sharedAttention) return { part, graph, moveRows: null, onDevice: [] };
  const { from, to } = part.range;
  const onDevice = Array.from({ length: to - from }, (_, layer) => `present.${from + layer}`);
  return {
    part,
    graph,
    moveRows: buildMoveRows(config, part.range),
    onDevice: onDevice.flatMap((name) => [`${name}.key`, `${name}.value`]),
  };
}

function profileOf(
  { attention, layers, scores, keepsOutputs = false }: DecoderOptions,
  { range }: ModelPart,
): AttentionProfile {
  if (scores !== undefined && scores !== "attention" && scores !== "logits") {
    const got = JSON.stringify(scores);
    throw new InferenceError("range", `scores: expected "attention" or "logits", got ${got}`);
  }
  if (attention === undefined) {
    if (scores !== undefined) return reportingAttention(scores, range.to - 1);
    return keepsOutputs && range.effort === undefined ? sharedAttention : segmentedAttention;
  }
  if (scores !== undefined) {
    throw new InferenceError("unsupported", `attention: ${attention.kind} beside scores`);
  }
  if (layers === undefined) return selectiveAttention(attention);
  throw new InferenceError("unsupported", `attention: ${attention.kind} on a range of layers`);
}

function rangeOf(layers: readonly unknown[], count: number): ModelPart["range"] {
  const [from, to = count] = layers;
  if (typeof from === "number" && typeof to === "number") return { from, to };
  throw new InferenceError("range", `layers: expected [from, to], got ${JSON.stringify(layers)}`);
}
