import type { ModelConfig } from "../load/config.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { onnxTypeOf, requireWeight } from "../weights/weight-map.ts";
import type { AttentionProfile, LayerAttention } from "./attention/attention-profile.ts";
import { GraphBuilder } from "./graph-builder.ts";
import { project, vector } from "./linear.ts";
import { addLogits } from "./logits.ts";

/**
 * Builds the ONNX graph of a Llama-layout decoder over a checkpoint's own bytes.
 *
 * Inputs, with `s` rows per block: `input_ids` int32 `[t]` and `input_embeddings` `[e, hidden]`,
 * concatenated in this order (one of the two is empty), those of the attention profile, and those
 * of {@link addLogits}. Outputs: the profile's, the logits, and `hidden.{l}` `[1, s, hidden]` for
 * every tap.
 *
 * Every constant is a reference into the checkpoint's files: the model that this returns has some
 * tens of kilobytes.
 *
 * @throws {@link InferenceError} `format` or `shape` if a tensor is missing or does not fit the
 *   configuration; `unsupported` for a weight type that ONNX Runtime cannot cast.
 */
export function buildLlama(
  config: ModelConfig,
  checkpoint: Checkpoint,
  profile: AttentionProfile,
): Uint8Array {
  const graph = new GraphBuilder();
  const table = embeddingTable(graph, config, checkpoint);
  const attention = profile(graph, config);

  const tap = (layer: number, hidden: string): void =>
    graph.output(`hidden.${layer}`, hidden, "float32", [1, "s", config.hiddenSize]);
  let stream: Stream = { hidden: embed(graph, config, checkpoint, table), update: null };
  for (let layer = 0; layer < config.layers; layer++) {
    const block = graph.scope(`layer.${layer}`, () =>
      addLayer(graph, config, checkpoint, attention, layer, stream),
    );
    tap(layer, block.input);
    stream = block.output;
  }
  const hidden = graph.node("Add", [stream.hidden, stream.update!]);
  tap(config.layers, hidden);
  addLogits(
    graph,
    config,
    checkpoint,
    hidden,
    (rows) =>
      normalize(graph, config, checkpoint, "model.norm.weight", { hidden: rows, update: null })
        .normalized,
  );
  return graph.finish(config.architecture);
}

function embeddingTable(graph: GraphBuilder, config: ModelConfig, checkpoint: Checkpoint): string {
  const name = "model.embed_tokens.weight";
  const dims = [config.vocabSize, config.hiddenSize];
  const weight = requireWeight(checkpoint.weights, name, dims);
  return graph.external(name, onnxTypeOf(name, weight), dims, weight);
}

/** Rows of the table for the ids, then the given rows. */
function embed(
  graph: GraphBuilder,
  config: ModelConfig,
  checkpoint: Checkpoint,
  table: string,
): string {
  const ids = graph.input("input_ids", "int32", ["t"]);
  const rows = graph.input("input_embeddings", "float32", ["e", config.hiddenSize]);
  const gathered = graph.node("Gather", [table, ids]);
  const stored = checkpoint.weights.get("model.embed_tokens.weight")!.dtype;
  const widened = stored === "F32" ? gathered : graph.node("Cast", [gathered], { to: { int: 1 } });
  const joined = graph.node("Concat", [widened, rows], { axis: { int: 0 } });
  return graph.node("Unsqueeze", [joined, graph.ints([0])]);
}

/**
 * The residual stream between two sublayers: `hidden + update`. The sum is left to the norm that
 * reads it, which has to touch every value anyway.
 */
interface Stream {
  readonly hidden: string;
  readonly update: string | null;
}

/** Adds one layer; returns its input, summed up, and its output. */
function addLayer(
  graph: GraphBuilder,
  config: ModelConfig,
  checkpoint: Checkpoint,
  attention: LayerAttention,
  layer: number,
  stream: Stream,
): { readonly input: string; readonly output: Stream } {
  const prefix = `model.layers.${layer}`;
  const linear = (x: string, inputs: number, outputs: Record<string, number>, bias: boolean) =>
    project(
      graph,
      checkpoint,
      x,
      inputs,
      Object.entries(outputs).map(([name, size]) => ({
        name: `${prefix}.${name}`,
        outputs: size,
        bias,
      })),
    );

  const { hiddenSize, intermediateSize, attentionBias, mlpBias } = config;
  const width = config.heads * config.headDim;
  const kvWidth = config.kvHeads * config.headDim;
  const before = normalize(graph, config, checkpoint, `${prefix}.input_layernorm.weight`, stream);
  const [query, key, value] = linear(
    before.normalized,
    hiddenSize,
    { "self_attn.q_proj": width, "self_attn.k_proj": kvWidth, "self_attn.v_proj": kvWidth },
    attentionBias,
  );
  const attended = attention(layer, { query: query!, key: key!, value: value! });
  const [mixed] = linear(attended, width, { "self_attn.o_proj": hiddenSize }, attentionBias);

  const middle = normalize(graph, config, checkpoint, `${prefix}.post_attention_layernorm.weight`, {
    hidden: before.sum,
    update: mixed!,
  });
  const [gate, up] = linear(
    middle.normalized,
    hiddenSize,
    { "mlp.gate_proj": intermediateSize, "mlp.up_proj": intermediateSize },
    mlpBias,
  );
  // x * sigmoid(x): SiLU.
  const activated = graph.node("QuickGelu", [gate!], { alpha: { float: 1 } });
  const gated = graph.node("Mul", [activated, up!]);
  const [down] = linear(gated, intermediateSize, { "mlp.down_proj": hiddenSize }, mlpBias);
  return { input: before.sum, output: { hidden: middle.sum, update: down! } };
}

/** RMS norm of the stream's sum, and that sum. */
function normalize(
  graph: GraphBuilder,
  config: ModelConfig,
  checkpoint: Checkpoint,
  name: string,
  { hidden, update }: Stream,
): { readonly normalized: string; readonly sum: string } {
  const scale = vector(graph, checkpoint, name, config.hiddenSize);
  const epsilon = { float: config.normEpsilon };
  if (update === null) {
    const normalized = graph.node("SimplifiedLayerNormalization", [hidden, scale], {
      axis: { int: -1 },
      epsilon,
    });
    return { normalized, sum: hidden };
  }
  const [normalized, , , sum] = graph.nodes(
    "SkipSimplifiedLayerNormalization",
    [hidden, update, scale],
    4,
    { epsilon },
  );
  return { normalized: normalized!, sum: sum! };
}
