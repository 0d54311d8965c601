import type { FeatureConfig, ModelConfig } from "../load/model-config.ts";
import type { ModelPart } from "./model-part.ts";

/**
 * A projection `y = x · Wᵀ (+ b)` of a checkpoint: `W` is stored `[outputs, inputs]`, or the other
 * way round where `transposed`.
 */
export interface Projection {
  /** Name without `.weight`. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
  readonly transposed?: boolean;
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

/** Widths of what the MLP's first projections give: gate and up, or only the latter. */
export function upWidths({ intermediateSize, gated }: ModelConfig): readonly number[] {
  return gated ? [intermediateSize, intermediateSize] : [intermediateSize];
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
    transposed: config.transposed,
  });
  const several = (
    modules: readonly string[],
    widths: readonly number[],
    bias: boolean,
    inputs: number = hiddenSize,
  ) => {
    const all = widths.reduce((sum, size) => sum + size, 0);
    return modules.map((name, i) =>
      one(name, inputs, modules.length === 1 ? all : widths[i]!, bias),
    );
  };
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
  const rest = { outputs: hiddenSize, bias };
  if (join === "attend") return { name: "fc", inputs: states, ...rest };
  const name = join === "project" ? "fc" : "eh_proj";
  return { name, inputs: hiddenSize + states, ...rest };
}

/**
 * What a decoder or a part of it has besides projections: tables, norms and biases, shapes by name.
 */
export function otherTensors(
  config: ModelConfig,
  { range, tokens }: ModelPart,
): ReadonlyMap<string, readonly number[]> {
  const { hiddenSize, vocabSize, maxLength, names, norm } = config;
  const tensors = new Map<string, readonly number[]>();
  const addNorm = (name: string, width: number): void => {
    tensors.set(`${name}.weight`, [width]);
    if (norm.kind === "layer") tensors.set(`${name}.bias`, [width]);
  };
  if (tokens) tensors.set(`${names.embedding}.weight`, [vocabSize, hiddenSize]);
  if (tokens && config.learnedPositions) {
    tensors.set(`${names.positions}.weight`, [maxLength, hiddenSize]);
  }
  for (let index = range.from; index < range.to; index++) {
    const prefix = `${names.layers}.${index}`;
    const { beforeAttention, afterAttention, beforeMlp, afterMlp } = names.layer;
    for (const name of [beforeAttention, afterAttention, beforeMlp, afterMlp]) {
      if (name !== null) addNorm(`${prefix}.${name}`, hiddenSize);
    }
    const [query, key] = queryKeyNormWidths(config);
    if (query !== undefined) addNorm(`${prefix}.${names.layer.queryNorm}`, query);
    if (key !== undefined) addNorm(`${prefix}.${names.layer.keyNorm}`, key);
    const { qkv, attentionOutput, up, down } = layerProjections(config, index);
    for (const { name, outputs, bias } of [...qkv, attentionOutput, ...up, down]) {
      if (bias) tensors.set(`${name}.bias`, [outputs]);
    }
  }
  if (names.finalNorm !== null) addNorm(names.finalNorm, hiddenSize);
  return tensors;
}

/** What the norms of queries and keys normalize at once; none where there are none. */
function queryKeyNormWidths(config: ModelConfig): readonly number[] {
  if (config.queryKeyNorm === null) return [];
  if (config.queryKeyNorm === "head") return [config.headDim, config.headDim];
  return qkvWidths(config).slice(0, 2);
}

/** Number of weights of a decoder, or of a part of it. */
export function countParameters(config: ModelConfig, part: ModelPart): number {
  const { range, tokens } = part;
  const size = ({ inputs, outputs }: Projection): number => inputs * outputs;
  // A tied head is the table of embeddings, which is there already where tokens are taken.
  const isCounted = range.head === false || (config.tieWordEmbeddings && tokens);
  let total = isCounted ? 0 : size(headProjection(config));
  if (config.features !== undefined) {
    const joined = featureProjection(config.hiddenSize, config.features);
    total += size(joined) + (joined.bias ? joined.outputs : 0);
  }
  for (const shape of otherTensors(config, part).values()) {
    total += shape.reduce((product, dim) => product * dim, 1);
  }
  for (let layer = range.from; layer < range.to; layer++) {
    const { qkv, attentionOutput, up, down } = layerProjections(config, layer);
    for (const projection of [...qkv, attentionOutput, ...up, down]) total += size(projection);
  }
  return total;
}
