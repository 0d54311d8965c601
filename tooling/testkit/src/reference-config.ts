import { InferenceError, type ModelInfo } from "@frugal/core";

/** The shape of a Llama model, as far as the reference transformer needs it. */
export interface ReferenceConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Even: the rotary embedding turns pairs of channels. */
  readonly headDim: number;
  readonly maxLength: number;
  readonly ropeTheta: number;
  readonly normEpsilon: number;
  readonly tieWordEmbeddings: boolean;
  readonly eosIds: readonly number[];
  /** The q, k, v and o projections have a bias. Default false. */
  readonly attentionBias?: boolean;
  /** The gate, up and down projections have a bias. Default false. */
  readonly mlpBias?: boolean;
}

/** Consecutive layers of a model: `[from, to)`. */
export type LayerRange = readonly [from: number, to: number];

/** The small model that most tests use: every dimension is different where it may be. */
export const tinyConfig: ReferenceConfig = {
  vocabSize: 32,
  hiddenSize: 16,
  intermediateSize: 24,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  headDim: 8,
  maxLength: 128,
  ropeTheta: 10000,
  normEpsilon: 1e-5,
  tieWordEmbeddings: true,
  eosIds: [0],
};

/** The `config.json` that transformers writes next to a Llama model of this shape. */
export function llamaConfigJson(config: ReferenceConfig): Record<string, unknown> {
  const { eosIds } = config;
  return {
    architectures: ["LlamaForCausalLM"],
    attention_bias: config.attentionBias ?? false,
    attention_dropout: 0,
    bos_token_id: null,
    eos_token_id: eosIds.length === 0 ? null : eosIds.length === 1 ? eosIds[0] : [...eosIds],
    head_dim: config.headDim,
    hidden_act: "silu",
    hidden_size: config.hiddenSize,
    initializer_range: 0.02,
    intermediate_size: config.intermediateSize,
    max_position_embeddings: config.maxLength,
    mlp_bias: config.mlpBias ?? false,
    model_type: "llama",
    num_attention_heads: config.heads,
    num_hidden_layers: config.layers,
    num_key_value_heads: config.kvHeads,
    pretraining_tp: 1,
    rms_norm_eps: config.normEpsilon,
    rope_scaling: null,
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.tieWordEmbeddings,
    torch_dtype: "float32",
    use_cache: true,
    vocab_size: config.vocabSize,
  };
}

/**
 * Reads the fields of a Llama `config.json`.
 *
 * @throws {@link InferenceError} `unsupported` for another architecture or a scaled rotary
 *   embedding; `format` for a missing number.
 */
export function parseLlamaConfig(json: string): ReferenceConfig {
  const fields = JSON.parse(json) as Record<string, unknown>;
  const number = (name: string, otherwise?: number): number => {
    const value = fields[name] ?? otherwise;
    if (typeof value !== "number") {
      throw new InferenceError("format", `${name}: expected a number, got ${typeof value}`);
    }
    return value;
  };
  if (fields["model_type"] !== "llama" || (fields["rope_scaling"] ?? null) !== null) {
    throw new InferenceError("unsupported", "expected a Llama model without rope_scaling");
  }
  const heads = number("num_attention_heads");
  const eos = fields["eos_token_id"] ?? [];
  return {
    vocabSize: number("vocab_size"),
    hiddenSize: number("hidden_size"),
    intermediateSize: number("intermediate_size"),
    layers: number("num_hidden_layers"),
    heads,
    kvHeads: number("num_key_value_heads", heads),
    headDim: number("head_dim", number("hidden_size") / heads),
    maxLength: number("max_position_embeddings"),
    ropeTheta: number("rope_theta", 10000),
    normEpsilon: number("rms_norm_eps", 1e-6),
    tieWordEmbeddings: fields["tie_word_embeddings"] === true,
    eosIds: typeof eos === "number" ? [eos] : (eos as number[]),
    attentionBias: fields["attention_bias"] === true,
    mlpBias: fields["mlp_bias"] === true,
  };
}

/** The facts of the port for a model of this shape, or for some of its layers. */
export function referenceInfo(
  config: ReferenceConfig,
  [from, to]: LayerRange,
  parameters: number,
): ModelInfo {
  const { vocabSize, hiddenSize, maxLength, heads, kvHeads, headDim, eosIds } = config;
  return {
    architecture: "llama",
    vocabSize,
    hiddenSize,
    maxLength,
    layers: to - from,
    heads,
    kvHeads,
    headDim,
    eosIds,
    rope: { theta: config.ropeTheta, dim: headDim },
    parameters,
  };
}
