import { type ImageEffort, InferenceError } from "@frugal/core";

import {
  layerProjections,
  type Projection,
  qkvWidths,
  upWidths,
} from "../architectures/projections.ts";
import type { ModelConfig } from "../load/model-config.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { onnxTypeOf, requireWeight } from "../weights/weight-map.ts";
import { activate } from "./activation.ts";
import type { AttentionProfile, LayerAttention } from "./attention/attention-profile.ts";
import { type Entry, joinFeatures } from "./features.ts";
import { GraphBuilder } from "./graph-builder.ts";
import { project, splitColumns } from "./linear.ts";
import { type LoweredEffort, lowerEffort } from "./lower-effort.ts";
import { addLogits } from "./logits.ts";
import type { OperatorSet } from "./product.ts";
import { normalize, normalizeStream, type Stream } from "./norm.ts";

/** Layers of a decoder: from `from`, up to and without `to`. */
export interface LayerRange {
  readonly from: number;
  readonly to: number;
  /** False: without the head, for what only hands hidden states on. */
  readonly head?: boolean;
  /** What the layers do less for rows of images; the profile is then segmented attention. */
  readonly effort?: ImageEffort;
}

/** What the parts of a decoder are built with. */
interface Decoder {
  readonly graph: GraphBuilder;
  readonly config: ModelConfig;
  readonly checkpoint: Checkpoint;
  readonly effort: LoweredEffort | null;
}

/**
 * Builds the ONNX graph of a decoder over a checkpoint's own bytes: all of it, or a range of its
 * layers, with the final norm and, unless it is left out, the head after them.
 *
 * Inputs, with `s` rows per block: `input_ids` int32 `[t]` and `input_embeddings` `[e, hidden]`,
 * concatenated in this order (one of the two is empty), `positions` int32 `[s]` where positions are
 * learned, those of the attention profile, and those of {@link addLogits}. A range that begins above
 * layer 0 has no `input_ids`; its `input_embeddings` are hidden states, `hidden.{from}` of what runs
 * below. Outputs: the profile's, the logits, `hidden.{l}` `[1, s, hidden]` for the input of every layer
 * `l` of the range and for the output of the last one, and `hidden.final`, the latter after the final
 * norm. Layers keep their numbers in every name.
 *
 * A draft head (`config.features`) has the inputs of {@link joinFeatures} too.
 *
 * Every constant is a reference into the checkpoint's files: the model that this returns has some
 * tens of kilobytes.
 *
 * @throws {@link InferenceError} `range` for layers that the model does not have; `format` or
 *   `shape` if a tensor is missing or does not fit the configuration; `unsupported` for a weight
 *   type that ONNX Runtime cannot cast.
 */
export function buildDecoder(
  config: ModelConfig,
  checkpoint: Checkpoint,
  profile: AttentionProfile,
  range: LayerRange = { from: 0, to: config.layers },
  operators: OperatorSet = "cpu",
): Uint8Array {
  checkRange(range, config.layers);
  const graph = new GraphBuilder(operators);
  const effort =
    range.effort === undefined ? null : lowerEffort(graph, config, range.effort, range.from);
  const decoder: Decoder = { graph, config, checkpoint, effort };
  const { hidden, beside } = range.from === 0 ? embed(decoder) : takeHidden(decoder);
  let stream: Stream = { hidden, update: null };
  const attention = effort?.attention ?? profile(graph, config);
  const rows = [1, "s", config.hiddenSize];
  for (let layer = range.from; layer < range.to; layer++) {
    const { input, output } = graph.scope(`layer.${layer}`, () =>
      addLayer(decoder, attention, layer, stream, beside),
    );
    graph.output(`hidden.${layer}`, input, "float32", rows);
    stream = output;
  }
  const final = readStream(decoder, config.names.finalNorm, stream);
  graph.output(`hidden.${range.to}`, final.sum, "float32", rows);
  // Without a final norm the two are one value, which cannot be two outputs.
  const read =
    config.names.finalNorm === null ? graph.node("Identity", [final.sum]) : final.normalized;
  graph.output("hidden.final", read, "float32", rows);
  if (range.head !== false) addLogits(graph, config, checkpoint, read);
  return graph.finish(config.architecture);
}

function checkRange({ from, to }: LayerRange, layers: number): void {
  if (Number.isInteger(from) && Number.isInteger(to) && 0 <= from && from < to && to <= layers) {
    return;
  }
  throw new InferenceError(
    "range",
    `range: expected layers inside [0, ${layers}), got [${from}, ${to})`,
  );
}

/**
 * The first rows of the stream, `[1, s, hidden]`, of tokens or given, and what attention reads beside
 * them, if anything.
 */
function embed(decoder: Decoder): Entry {
  const { graph, config, checkpoint } = decoder;
  const ids = graph.input("input_ids", "int32", ["t"]);
  const rows = graph.input("input_embeddings", "float32", ["e", config.hiddenSize]);
  const { embedding, positions } = config.names;
  const gathered = gatherRows(decoder, embedding, config.vocabSize, ids);
  const scaled = scale(graph, gathered, config.embeddingScale);
  const joined = graph.node("Concat", [scaled, rows], { axis: { int: 0 } });
  const placed = config.learnedPositions
    ? graph.node("Add", [joined, gatherPositions(decoder, positions)])
    : joined;
  const hidden = graph.node("Unsqueeze", [placed, graph.ints([0])]);
  return config.features === undefined
    ? { hidden, beside: null }
    : joinFeatures(graph, config, checkpoint, config.features, hidden);
}

function gatherPositions(decoder: Decoder, table: string): string {
  const { graph, config } = decoder;
  const positions = graph.input("positions", "int32", ["s"]);
  return gatherRows(decoder, table, config.maxLength, positions);
}

/** The stream of the layers below. */
function takeHidden({ graph, config }: Decoder): Entry {
  const rows = graph.input("input_embeddings", "float32", ["e", config.hiddenSize]);
  return { hidden: graph.node("Unsqueeze", [rows, graph.ints([0])]), beside: null };
}

/** Rows of a table as float32. */
function gatherRows(
  { graph, config, checkpoint }: Decoder,
  table: string,
  rows: number,
  indices: string,
): string {
  const name = `${table}.weight`;
  const weight = requireWeight(checkpoint.weights, name, [rows, config.hiddenSize]);
  const data = graph.external(name, onnxTypeOf(name, weight), weight.shape, weight);
  const gathered = graph.node("Gather", [data, indices]);
  return weight.dtype === "F32" ? gathered : graph.node("Cast", [gathered], { to: { int: 1 } });
}

function scale(graph: GraphBuilder, rows: string, factor: number): string {
  if (factor === 1) return rows;
  return graph.node("Mul", [rows, graph.floats(`scale:${factor}`, Float32Array.of(factor), [])]);
}

/** Adds one layer; returns its input, summed up, and its output. */
function addLayer(
  decoder: Decoder,
  attention: LayerAttention,
  layer: number,
  stream: Stream,
  beside: string | null,
): { readonly input: string; readonly output: Stream } {
  const { graph, config, checkpoint, effort } = decoder;
  const prefix = `${config.names.layers}.${layer}`;
  const { beforeAttention, afterAttention, beforeMlp, afterMlp, queryNorm, keyNorm } =
    config.names.layer;
  const named = (name: string | null) => (name === null ? null : `${prefix}.${name}`);
  const projections = layerProjections(config, layer);

  const before = readStream(decoder, named(beforeAttention), stream);
  const [query, key, value] = projectTo(
    decoder,
    beside === null
      ? before.normalized
      : graph.node("Concat", [beside, before.normalized], { axis: { int: 2 } }),
    projections.qkv,
    qkvWidths(config),
  );
  const attended = attention(layer, {
    query: normalizeHeads(decoder, `${prefix}.${queryNorm}`, query!, config.heads),
    key: normalizeHeads(decoder, `${prefix}.${keyNorm}`, key!, config.kvHeads),
    value: value!,
  });
  const [mixed] = project(graph, checkpoint, attended, [projections.attentionOutput]);

  const attendedTo = afterSublayer(decoder, named(afterAttention), mixed!);
  const middle = readStream(decoder, named(beforeMlp), {
    hidden: before.sum,
    update: effort?.update(layer, "attention", attendedTo) ?? attendedTo,
  });
  const [gate, up] = projectTo(decoder, middle.normalized, projections.up, upWidths(config));
  const activated = activate(graph, config.activation, gate!);
  const gated = config.gated ? graph.node("Mul", [activated, up!]) : activated;
  const spared = effort?.gate(layer, gated) ?? gated;
  const [down] = project(graph, checkpoint, spared, [projections.down]);
  const update = afterSublayer(decoder, named(afterMlp), down!);
  const added = effort?.update(layer, "mlp", update) ?? update;
  return { input: before.sum, output: { hidden: middle.sum, update: added } };
}

/** The stream's sum, and what the next sublayer reads of it: normalized where there is a norm. */
function readStream(
  { graph, config, checkpoint }: Decoder,
  norm: string | null,
  stream: Stream,
): { readonly normalized: string; readonly sum: string } {
  if (norm !== null) {
    return normalizeStream(graph, checkpoint, norm, config.hiddenSize, config.norm, stream);
  }
  const { hidden, update } = stream;
  const sum = update === null ? hidden : graph.node("Add", [hidden, update]);
  return { normalized: sum, sum };
}

/** What a sublayer adds to the stream: its result, normalized where there is a norm. */
function afterSublayer(
  { graph, config, checkpoint }: Decoder,
  norm: string | null,
  result: string,
): string {
  if (norm === null) return result;
  return normalize(graph, checkpoint, norm, config.hiddenSize, config.norm, result);
}

/** Queries or keys, `[1, s, heads * headDim]`, normalized as the configuration says. */
function normalizeHeads(
  { graph, config, checkpoint }: Decoder,
  name: string,
  rows: string,
  heads: number,
): string {
  const { queryKeyNorm, headDim, norm } = config;
  if (queryKeyNorm === null) return rows;
  if (queryKeyNorm === "row") {
    return normalize(graph, checkpoint, name, heads * headDim, norm, rows);
  }
  const split = graph.node("Reshape", [rows, graph.ints([1, -1, heads, headDim])]);
  const normalized = normalize(graph, checkpoint, name, headDim, norm, split);
  return graph.node("Reshape", [normalized, graph.ints([1, -1, heads * headDim])]);
}

/** Results of the given widths, from a projection for each or from one for all. */
function projectTo(
  { graph, checkpoint }: Decoder,
  x: string,
  projections: readonly Projection[],
  widths: readonly number[],
): readonly string[] {
  const results = project(graph, checkpoint, x, projections);
  return results.length === widths.length ? results : splitColumns(graph, results[0]!, widths);
}
