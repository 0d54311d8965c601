import type { FeatureConfig, ModelConfig } from "../load/model-config.ts";
import type { ModelPart } from "./model-part.ts";

/** A projection `y = x · Wᵀ (+ b)` of a checkpoint: `W` is stored `[outputs, inputs]`. */
export interface Projection {
  /** Name without `.weight`. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
}

/** The projections of a layer; those of a list read the same input. */
export interface LayerProjections {
  readonly qkv: readonly Projection[];
  readonly attentionOutput: Projection;
  readonly up: readonly Projection[];
  readonly down: Projection;
}

/** Widths of queries, keys and values. */
export function qkvWidths({ heads, kvHeads, headDim }: ModelConfig): readonly number[] {
  return [heads * headDim, kvHeads * headDim, kvHeads * headDim];
}

/** Widths of what the MLP's first projections give: gate and up. */
export function upWidths({ intermediateSize }: ModelConfig): readonly number[] {
  return [intermediateSize, intermediateSize];
}

/** The projections of layer `layer` with their names in the checkpoint. */
export function layerProjections(config: ModelConfig, layer: number): LayerProjections {
  const { hiddenSize, intermediateSize, biases, names } = config;
  const prefix = `${names.layers}.${layer}`;
  const one = (name: string, inputs: number, outputs: number, bias: boolean): Projection => ({
    name: `${prefix}.${name}`,
    inputs,
    outputs,
    bias,
  });
  const several = (
    modules: readonly string[],
    widths: readonly number[],
    bias: boolean,
    inputs: number = hiddenSize,
  ) => modules.map((name, i) => one(name, inputs, widths[i]!, bias));
  const qkvInputs = config.features?.join === "attend" ? 2 * hiddenSize : hiddenSize;
  const width = config.heads * config.headDim;
  const { qkv, attentionOutput, up, down } = names.layer;
  return {
    qkv: several(qkv, qkvWidths(config), biases.qkv, qkvInputs),
    attentionOutput: one(attentionOutput, width, hiddenSize, biases.attentionOutput),
    up: several(up, upWidths(config), biases.mlp),
    down: one(down, intermediateSize, hiddenSize, biases.mlp),
  };
}

/** The projection to logits; of a tied model, the table of embeddings. */
export function headProjection(config: ModelConfig): Projection {
  const { hiddenSize, vocabSize, tieWordEmbeddings, names } = config;
  const name = tieWordEmbeddings ? names.embedding : names.head;
  const outputs = config.features?.vocabulary?.length ?? vocabSize;
  return { name, inputs: hiddenSize, outputs, bias: false };
}

/** What joins embeddings and states of a draft head. */
export function featureProjection(hiddenSize: number, features: FeatureConfig): Projection {
  const { join, width, reads, bias } = features;
  const states = width * reads.length;
  if (join === "attend") return { name: "fc", inputs: states, outputs: hiddenSize, bias };
  const name = join === "project" ? "fc" : "eh_proj";
  return { name, inputs: hiddenSize + states, outputs: hiddenSize, bias };
}

/** Number of weights of a decoder, or of a part of it. */
export function countParameters(config: ModelConfig, { range, tokens }: ModelPart): number {
  const { hiddenSize, vocabSize, names } = config;
  const size = ({ inputs, outputs, bias }: Projection): number =>
    outputs * (bias ? inputs + 1 : inputs);
  const { layer } = names;
  const norms = [layer.beforeAttention, layer.afterAttention, layer.beforeMlp, layer.afterMlp];
  const normSize = hiddenSize * (config.norm.kind === "layer" ? 2 : 1);
  let total = size(headProjection(config)) + (names.finalNorm === null ? 0 : normSize);
  if (config.features !== undefined) total += size(featureProjection(hiddenSize, config.features));
  if (tokens && !config.tieWordEmbeddings) total += vocabSize * hiddenSize;
  for (let index = range.from; index < range.to; index++) {
    const { qkv, attentionOutput, up, down } = layerProjections(config, index);
    for (const projection of [...qkv, attentionOutput, ...up, down]) total += size(projection);
    total += normSize * norms.filter((name) => name !== null).length;
  }
  return total;
}
