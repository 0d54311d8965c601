import { InferenceError } from "@frugal/core";

import { count, flag, type Json, positive } from "../load/json-fields.ts";
import type { ModelConfig, TensorNames } from "../load/model-config.ts";
import { type RopeDefaults, ropeOf, usableLength } from "../load/rope-config.ts";

/** Reads the configuration of one family of models; `eosIds` and `architecture` are filled in. */
export type Architecture = (json: Json) => Omit<ModelConfig, "architecture" | "eosIds">;

/** Names of the tensors in Llama's checkpoints. */
export const llamaNames: TensorNames = {
  embedding: "model.embed_tokens",
  positions: "model.embed_positions",
  finalNorm: "model.norm",
  head: "lm_head",
  layers: "model.layers",
  layer: {
    beforeAttention: "input_layernorm",
    afterAttention: null,
    beforeMlp: "post_attention_layernorm",
    afterMlp: null,
    queryNorm: "self_attn.q_norm",
    keyNorm: "self_attn.k_norm",
    qkv: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    attentionOutput: "self_attn.o_proj",
    up: ["mlp.gate_proj", "mlp.up_proj"],
    down: "mlp.down_proj",
  },
};

/**
 * The fields that most decoders share, with Llama's structure around them: RMS norms before the
 * sublayers, rotary embedding of whole heads, a gated MLP with SiLU, no biases, no windows. Other
 * architectures are this with something replaced.
 *
 * @throws {@link InferenceError} `format` for a field that is missing, of the wrong type, or at odds
 *   with another.
 */
export function llamaLayout(json: Json, rope?: RopeDefaults): ReturnType<Architecture> {
  const heads = count(json, "num_attention_heads");
  const hiddenSize = count(json, "hidden_size");
  const kvHeads = count(json, "num_key_value_heads", heads);
  if (heads % kvHeads !== 0) {
    throw new InferenceError(
      "format",
      `config.json: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  }
  const headDim = count(json, "head_dim", hiddenSize / heads);
  if (headDim % 2 !== 0) {
    throw new InferenceError(
      "format",
      `config.json: head_dim: expected an even number, got ${headDim}`,
    );
  }
  const layers = count(json, "num_hidden_layers");
  return {
    vocabSize: count(json, "vocab_size"),
    hiddenSize,
    intermediateSize: count(json, "intermediate_size"),
    layers,
    heads,
    kvHeads,
    headDim,
    maxLength: usableLength(json),
    tieWordEmbeddings: flag(json, "tie_word_embeddings", false),
    norm: { kind: "rms", epsilon: positive(json, "rms_norm_eps", 1e-6), plusOne: false },
    attentionKinds: [{ window: null, rotary: ropeOf(json, headDim, rope) }],
    layerKinds: Array.from({ length: layers }, () => 0),
    attentionScale: 1 / Math.sqrt(headDim),
    attentionCap: null,
    logitCap: null,
    queryKeyNorm: null,
    biases: { qkv: false, attentionOutput: false, mlp: false },
    activation: "silu",
    gated: true,
    embeddingScale: 1,
    learnedPositions: false,
    transposed: false,
    names: llamaNames,
  };
}
