import type { Projection } from "../architectures/projections.ts";
import type { Norm } from "../load/model-config.ts";
import type { VisionConfig } from "../load/vision-config.ts";
import { alignVision } from "../weights/align-vision.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { WeightMap } from "../weights/weight-map.ts";
import { activate } from "./activation.ts";
import { GraphBuilder } from "./graph-builder.ts";
import { project, vector } from "./linear.ts";
import { normalize, normalizeStream, type Stream } from "./norm.ts";
import type { OperatorSet } from "./product.ts";
import { lowerReduction, type ReductionSteps } from "./token-reduction/lower-reduction.ts";
import type { TokenReduction } from "./token-reduction/token-reduction.ts";

/** What the parts of an encoder are built with. */
interface Encoder {
  readonly graph: GraphBuilder;
  readonly config: VisionConfig;
  readonly checkpoint: Checkpoint;
  readonly norm: Norm;
  /** Null where all rows pass through all layers. */
  readonly reduction: ReductionSteps | null;
}

/**
 * Builds the ONNX graph of a vision encoder over a checkpoint's own bytes.
 *
 * Input: `pixel_values` `[n, channels, size, size]`. Outputs, with a row per patch, after that of the
 * class token where there is one: `hidden.final` `[n, rows, hidden]`, after the final norm;
 * `hidden.{l}` of the same shape for the input of every layer and the output of the last one; and
 * `pooled` `[n, width]`, where configuration and checkpoint have a projection for it.
 *
 * In CLIP the final norm is applied to every row, transformers apply it to the pooled one only: their
 * `last_hidden_state` is `hidden.{layers}` here.
 *
 * With `reduce` rows become fewer on the way, and so are those of the outputs. Where rows are merged
 * or left out there are the outputs `keep` int32 `[n, rows]`, the row at the entry whose place each
 * of the last ones has, ascending; `source` int32 `[n, entered]`, the last row that each row of the
 * entry went into, or -1; and `sizes` float32 `[n, rows]`, how many each counts as in attention.
 *
 * @throws {@link InferenceError} `format` or `shape` if a tensor is missing or does not fit the
 *   configuration; `unsupported` for a weight type that ONNX Runtime cannot cast, or a reduction that
 *   needs a class token where there is none; `range` for one that does not fit the layers.
 */
export function buildVisionEncoder(
  config: VisionConfig,
  weights: WeightMap,
  operators: OperatorSet = "cpu",
  reduce: TokenReduction | null = null,
): Uint8Array {
  const graph = new GraphBuilder(operators);
  const checkpoint = { weights: alignVision(weights, config), quantization: null };
  const norm: Norm = { kind: "layer", epsilon: config.epsilon, plusOne: false };
  const reduction =
    reduce === null ? null : lowerReduction(graph, config, checkpoint, reduce, rowsOf(config));
  const encoder: Encoder = { graph, config, checkpoint, norm, reduction };
  const { hiddenSize, layers, names } = config;
  const outputDims = () => ["n", reduction?.tracker.rows ?? rowsOf(config), hiddenSize];
  const hidden: (readonly [value: string, dims: (number | string)[]])[] = [];
  let stream: Stream = { hidden: embedPatches(encoder), update: null };
  for (let layer = 0; layer < layers; layer++) {
    stream = enterLayer(encoder, layer, stream);
    const dims = outputDims();
    const { input, output } = graph.scope(`layer.${layer}`, () => addLayer(encoder, layer, stream));
    hidden.push([input, dims]);
    stream = output;
  }
  stream = enterLayer(encoder, layers, stream);
  const final = normalizeStream(graph, checkpoint, names.finalNorm, hiddenSize, norm, stream);
  graph.output("hidden.final", final.normalized, "float32", outputDims());
  addPooled(encoder, final.normalized);
  hidden.push([final.sum, outputDims()]);
  hidden.forEach(([value, dims], l) => graph.output(`hidden.${l}`, value, "float32", dims));
  reduction?.tracker.addOutputs();
  return graph.finish(config.architecture);
}

/** Rows of an image: one per whole patch, and the class token's. */
function rowsOf({ imageSize, patchSize, names }: VisionConfig): number {
  return Math.floor(imageSize / patchSize) ** 2 + (names.classToken === null ? 0 : 1);
}

/** The first rows of the stream, `[n, rows, hidden]`: patches, class token, positions. */
function embedPatches(encoder: Encoder): string {
  const { graph, config, checkpoint, norm } = encoder;
  const { channels, patchSize, hiddenSize, names } = config;
  const [rows] = project(graph, checkpoint, cutPatches(graph, config), [
    {
      name: names.patches,
      inputs: channels * patchSize ** 2,
      outputs: hiddenSize,
      bias: config.biases.patches,
    },
  ]);
  const placed = addPositions(encoder, rows!);
  if (names.entryNorm === null) return placed;
  return normalize(graph, checkpoint, names.entryNorm, hiddenSize, norm, placed);
}

/** Pixels of each patch as a row, `[n, patches, channels * patch * patch]`; a rest is cut off. */
function cutPatches(graph: GraphBuilder, { channels, imageSize, patchSize }: VisionConfig): string {
  const grid = Math.floor(imageSize / patchSize);
  const used = grid * patchSize;
  const pixels = graph.input("pixel_values", "float32", ["n", channels, imageSize, imageSize]);
  const whole =
    used === imageSize
      ? pixels
      : graph.node("Slice", [
          pixels,
          graph.ints([0, 0]),
          graph.ints([used, used]),
          graph.ints([2, 3]),
        ]);
  const split = graph.ints([-1, channels, grid, patchSize, grid, patchSize]);
  const byPatch = graph.node("Transpose", [graph.node("Reshape", [whole, split])], {
    perm: { ints: [0, 2, 4, 1, 3, 5] },
  });
  const flat = graph.ints([-1, grid ** 2, channels * patchSize ** 2]);
  return graph.node("Reshape", [byPatch, flat]);
}

/**
 * Adds learned positions, and the class token in front. Its row is one of zeros until it is added, as
 * part of a table that ONNX Runtime folds when it loads the model.
 */
function addPositions({ graph, config, checkpoint }: Encoder, patches: string): string {
  const { hiddenSize, names } = config;
  const rows = rowsOf(config);
  const table = (name: string, count: number): string => {
    const values = vector(graph, checkpoint, name, count * hiddenSize);
    return graph.node("Reshape", [values, graph.ints([1, count, hiddenSize])]);
  };
  const positions = table(names.positions, rows);
  if (names.classToken === null) return graph.node("Add", [patches, positions]);
  const first = graph.node("Pad", [
    table(names.classToken, 1),
    graph.ints([0, 0, 0, 0, rows - 1, 0]),
  ]);
  const behind = graph.node("Pad", [patches, graph.ints([0, 1, 0, 0, 0, 0])]);
  return graph.node("Add", [behind, graph.node("Add", [positions, first])]);
}

/** What a reduction does before a layer. */
function enterLayer({ graph, reduction }: Encoder, layer: number, stream: Stream): Stream {
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
  { graph, config, checkpoint, norm, reduction }: Encoder,
  layer: number,
  stream: Stream,
): { readonly input: string; readonly output: Stream } {
  const { hiddenSize, intermediateSize, heads, names, biases } = config;
  const { beforeAttention, qkv, attentionOutput, beforeMlp, up, down } = names.layer;
  const prefix = `${names.layers}.${layer}`;
  const read = (name: string, from: Stream) =>
    normalizeStream(graph, checkpoint, `${prefix}.${name}`, hiddenSize, norm, from);
  const linear = (name: string, inputs: number, outputs: number, bias = true): Projection => ({
    name: `${prefix}.${name}`,
    inputs,
    outputs,
    bias,
  });

  const before = read(beforeAttention, stream);
  const projections = qkv.map((name) => linear(name, hiddenSize, hiddenSize, biases.qkv));
  const parts = project(graph, checkpoint, before.normalized, projections);
  const bias = reduction?.bias() ?? null;
  const attended = graph.node(
    "MultiHeadAttention",
    bias === null ? parts : [...parts, "", "", bias],
    { num_heads: { int: heads } },
  );
  const out = linear(attentionOutput, hiddenSize, hiddenSize);
  const [mixed] = project(graph, checkpoint, attended, [out]);

  const between: Stream = { hidden: before.sum, update: mixed! };
  const step = reduction?.inside.get(layer);
  const projected = { queries: parts[0]!, keys: parts[1]! };
  const passing =
    step === undefined ? between : { hidden: step(sumOf(graph, between), projected), update: null };
  const middle = read(beforeMlp, passing);
  const widen = linear(up, hiddenSize, intermediateSize);
  const [wide] = project(graph, checkpoint, middle.normalized, [widen]);
  const activated = activate(graph, config.activation, wide!);
  const narrow = linear(down, intermediateSize, hiddenSize);
  const [update] = project(graph, checkpoint, activated, [narrow]);
  return { input: before.sum, output: { hidden: middle.sum, update: update! } };
}

/** The output `pooled`: the class token's row, projected. */
function addPooled({ graph, config, checkpoint }: Encoder, rows: string): void {
  const { pooling, hiddenSize } = config;
  if (pooling === null || !checkpoint.weights.has(`${pooling.projection}.weight`)) return;
  const { projection: name, outputs, bias, activation } = pooling;
  const first = graph.node("Gather", [rows, graph.ints([0], [])], { axis: { int: 1 } });
  const linear = { name, inputs: hiddenSize, outputs, bias };
  const [projected] = project(graph, checkpoint, first, [linear]);
  const pooled = activation === "tanh" ? graph.node("Tanh", [projected!]) : projected!;
  graph.output("pooled", pooled, "float32", ["n", outputs]);
}
