import { InferenceError } from "@frugal/core";

import type { Projection } from "../architectures/projections.ts";
import type { VisionConfig } from "../load/vision-config.ts";
import { alignVision } from "../weights/align-vision.ts";
import type { WeightMap } from "../weights/weight-map.ts";
import { activate } from "./activation.ts";
import { rotate, type RotaryInputs } from "./attention/rotate.ts";
import { GraphBuilder } from "./graph-builder.ts";
import { project, splitColumns } from "./linear.ts";
import { normalizeStream, type Stream } from "./norm.ts";
import type { OperatorSet } from "./product.ts";
import { lowerReduction } from "./token-reduction/lower-reduction.ts";
import type { LayerProjections } from "./token-reduction/class-attention.ts";
import type { TokenReduction } from "./token-reduction/token-reduction.ts";
import { attend, windowInputs, type WindowInputs } from "./vision/attend.ts";
import { embedPatches, rowsOf } from "./vision/embed-patches.ts";
import type { EncoderParts } from "./vision/encoder-parts.ts";
import { addPooled } from "./vision/pool-rows.ts";
import { addFeatures } from "./vision/project-rows.ts";
import { addAttention, type AttendedLayer } from "./vision/attention-outputs.ts";
import { addOrigin, type RowsAt, tapOf } from "./vision/row-origin.ts";

/** Inputs that the layers share. */
interface LayerInputs {
  readonly rotary: RotaryInputs | null;
  /** What is added to the scores, `[n or 1, 1, rows, rows]`. */
  readonly bias: string | null;
  readonly windows: WindowInputs | null;
}

/** What of an encoder a graph has, and what happens to its rows. */
export interface VisionGraphOptions {
  /** What makes rows fewer on the way. */
  readonly reduce?: TokenReduction | undefined;
  /** The only outputs to compute; default all of them. */
  readonly outputs?: readonly string[] | undefined;
  /** `[from, to]`: only these layers; default all. */
  readonly layers?: readonly [from: number, to: number] | undefined;
}

/**
 * Builds the ONNX graph of a vision encoder over a checkpoint's own bytes.
 *
 * Inputs: those of {@link embedPatches}; with positions by fraction `attention_bias`
 * `[n or 1, 1, rows, rows]`; with rotary ones `cos.0` and `sin.0` `[rows, headDim / 2]`, and those of windows. Outputs, with a
 * row per patch, after that of the class token where there is one: `features` `[n, tokens, width]`, the
 * rows that a decoder takes, of an encoder that has a projector; `newline` `[1, width]`, where that has a
 * learned row for the ends of lines; `hidden.final` `[n, rows, hidden]`,
 * after the final norm; `hidden.{l}` of the same shape for the input of every layer and the output of
 * the last one; `pooled` `[n, width]`, where configuration and checkpoint have weights for it; and those
 * of {@link addAttention}.
 *
 * In CLIP the final norm is applied to every row, transformers apply it to the pooled one only: their
 * `last_hidden_state` is `hidden.{layers}` here.
 *
 * With `reduce` rows become fewer on the way, and so are those of the outputs. Where rows are merged
 * or left out there are also the outputs `keep` int32 `[n, rows]`, the row at the entry whose place
 * each row has, ascending; `source` int32 `[n, entered]`, the row that each row of the entry went into,
 * or -1; and `sizes` float32 `[n, rows]`, how many each counts as in attention. They are those of the
 * first of the outputs asked for, and of `hidden.final` where none is named.
 *
 * A range of layers that does not begin with the first takes rows instead of images, any number of
 * them: `hidden` `[n, rows, hidden]`. One that does not end with the last has only `hidden.{l}`.
 *
 * @throws {@link InferenceError} `format` or `shape` if a tensor is missing or does not fit the
 *   configuration; `unsupported` for a weight type that ONNX Runtime cannot cast, or a reduction or
 *   range that the kind of encoder does not allow; `range` for one that does not fit the layers, or an
 *   output that the encoder does not have.
 */
export function buildVisionEncoder(
  config: VisionConfig,
  weights: WeightMap,
  operators: OperatorSet = "cpu",
  options: VisionGraphOptions = {},
): Uint8Array {
  const graph = new GraphBuilder(operators);
  const checkpoint = { weights: alignVision(weights, config), quantization: null };
  const [from, to] = checkRange(config, options);
  const rows = from === 0 ? rowsOf(config) : "rows";
  const { reduce, outputs } = options;
  const reduction =
    reduce === undefined ? null : lowerReduction(graph, config, checkpoint, reduce, rows);
  const encoder: EncoderParts = { graph, config, checkpoint, reduction };
  const { hiddenSize, layers, names, norm } = config;
  const at = (value: string): RowsAt => ({
    value,
    dims: ["n", reduction?.tracker.rows ?? rows, hiddenSize],
    origin: reduction?.tracker.origin ?? null,
  });
  const taps = new Map<number, RowsAt>();
  const attended: AttendedLayer[] = [];
  const entered =
    from === 0
      ? embedPatches(encoder)
      : graph.input("hidden", "float32", ["n", "rows", hiddenSize]);
  let stream: Stream = { hidden: entered, update: null };
  const inputs = addInputs(encoder);
  for (let layer = from; layer < to; layer++) {
    stream = enterLayer(encoder, layer, stream);
    const entry = at("");
    const { input, output, projections } = graph.scope(`layer.${layer}`, () =>
      addLayer(encoder, inputs, layer, stream),
    );
    taps.set(layer, { ...entry, value: input });
    attended.push({ layer, rows: entry.dims[1]!, projections });
    stream = output;
  }
  stream = enterLayer(encoder, to, stream);
  if (to < layers) taps.set(to, at(sumOf(graph, stream)));
  else {
    const final = normalizeStream(graph, checkpoint, names.finalNorm, hiddenSize, norm, stream);
    taps.set(to, at(final.sum));
    addFeatures(encoder, { hidden: (tap) => taps.get(tap)?.value, final: final.normalized });
    graph.output("hidden.final", final.normalized, "float32", taps.get(to)!.dims);
    addPooled(encoder, final.normalized);
  }
  addAttention(encoder, attended);
  // The rows that enter as an input leave as none.
  for (const [tap, { value, dims }] of taps) {
    if (value !== "hidden") graph.output(`hidden.${tap}`, value, "float32", dims);
  }
  const added = addOrigin(graph, taps.get(tapOf(config, outputs?.[0])) ?? null);
  if (outputs !== undefined) chooseOutputs(graph, outputs, added);
  return graph.finish(config.architecture);
}

/** The layers of the graph. */
function checkRange(
  { layers, positions }: VisionConfig,
  { reduce, layers: range = [0, layers] }: VisionGraphOptions,
): readonly [number, number] {
  const [from, to] = range;
  const isRange = Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to;
  if (!isRange || to > layers) {
    throw new InferenceError(
      "range",
      `layers: expected [from, to] within [0, ${layers}], got ${JSON.stringify(range)}`,
    );
  }
  if (from > 0 && (reduce !== undefined || positions.kind !== "table")) {
    const what = reduce === undefined ? `positions of kind ${positions.kind}` : "reduce";
    throw new InferenceError("unsupported", `layers: expected to begin with 0 for ${what}`);
  }
  return [from, to];
}

function chooseOutputs(
  graph: GraphBuilder,
  outputs: readonly string[],
  added: readonly string[],
): void {
  const names = graph.outputNames;
  const unknown = outputs.find((output) => !names.includes(output));
  if (unknown !== undefined) {
    const expected = names.join(", ");
    throw new InferenceError("range", `output: expected one of ${expected}, got ${unknown}`);
  }
  graph.keepOnly([...outputs, ...added]);
}

/** Patches of a window; null where all attend to all. */
function windowSize({ positions }: VisionConfig): number | null {
  return positions.kind === "rotary" && positions.windows !== null
    ? positions.windows.side ** 2
    : null;
}

function addInputs(encoder: EncoderParts): LayerInputs {
  const { graph, config } = encoder;
  const { positions, heads, hiddenSize } = config;
  const rows = rowsOf(config);
  const dim = hiddenSize / heads;
  const table = (name: string): string => graph.input(name, "float32", [rows, dim / 2]);
  const rotary =
    positions.kind === "rotary" ? { cos: table("cos.0"), sin: table("sin.0"), dim } : null;
  const bias =
    positions.kind === "fraction"
      ? graph.input("attention_bias", "float32", ["masks", 1, rows, rows])
      : null;
  const windows = windowSize(config) === null ? null : windowInputs(encoder, windowSize(config)!);
  return { rotary, bias, windows };
}

/** What a reduction does before a layer. */
function enterLayer({ graph, reduction }: EncoderParts, layer: number, stream: Stream): Stream {
  const step = reduction?.before.get(layer);
  if (step === undefined) return stream;
  return graph.scope(`before.${layer}`, () => ({
    hidden: step(sumOf(graph, stream)),
    update: null,
  }));
}

function sumOf(graph: GraphBuilder, { hidden, update }: Stream): string {
  return update === null ? hidden : graph.node("Add", [hidden, update]);
}

/** Adds one layer; returns its input, summed up, and its output. */
function addLayer(
  encoder: EncoderParts,
  inputs: LayerInputs,
  layer: number,
  stream: Stream,
): { readonly input: string; readonly output: Stream; readonly projections: LayerProjections } {
  const { graph, config, checkpoint, reduction } = encoder;
  const { hiddenSize, intermediateSize, heads, names, biases, norm } = config;
  const { beforeAttention, qkv, attentionOutput, beforeMlp, up, down } = names.layer;
  const prefix = `${names.layers}.${layer}`;
  const read = (name: string, from: Stream) =>
    normalizeStream(graph, checkpoint, `${prefix}.${name}`, hiddenSize, norm, from);
  const linear = (name: string, width: number, outputs: number, bias = true): Projection => ({
    name: `${prefix}.${name}`,
    inputs: width,
    outputs,
    bias,
  });

  const before = read(beforeAttention, stream);
  const width = (3 * hiddenSize) / qkv.length;
  const projections = qkv.map((name) => linear(name, hiddenSize, width, biases.qkv));
  const results = project(graph, checkpoint, before.normalized, projections);
  const parts =
    results.length === 3 ? results : splitColumns(graph, results[0]!, Array(3).fill(hiddenSize));
  const [queries, keys] = parts
    .slice(0, 2)
    .map((rows) => rotate(graph, rows, heads, inputs.rotary));
  const bias = inputs.bias ?? reduction?.bias() ?? null;
  const { positions } = config;
  const except = positions.kind === "rotary" ? positions.windows?.except : undefined;
  const windows =
    inputs.windows === null || except?.includes(layer) === true
      ? null
      : { inputs: inputs.windows, size: windowSize(config)! };
  const attended = attend(encoder, [queries!, keys!, parts[2]!], bias, windows);
  const out = linear(attentionOutput, hiddenSize, hiddenSize);
  const [mixed] = project(graph, checkpoint, attended, [out]);

  const between: Stream = { hidden: before.sum, update: mixed! };
  const step = reduction?.inside.get(layer);
  const shared: LayerProjections = { queries: queries!, keys: keys!, bias };
  const passing =
    step === undefined ? between : { hidden: step(sumOf(graph, between), shared), update: null };
  const middle = read(beforeMlp, passing);
  const widen = up.map((name) => linear(name, hiddenSize, intermediateSize));
  const [gate, wide] = project(graph, checkpoint, middle.normalized, widen);
  const activated = activate(graph, config.activation, gate!);
  const gated = config.gated ? graph.node("Mul", [activated, wide!]) : activated;
  const narrow = linear(down, intermediateSize, hiddenSize);
  const [update] = project(graph, checkpoint, gated, [narrow]);
  const output: Stream = { hidden: middle.sum, update: update! };
  return { input: before.sum, output, projections: shared };
}
