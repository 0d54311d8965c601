import { count, type Json, oneOf } from "../load/json-fields.ts";
import type { TensorNames } from "../load/model-config.ts";
import { positive } from "../load/json-fields.ts";
import { type Architecture, llamaLayout, llamaNames } from "./llama-layout.ts";

const names: TensorNames = {
  embedding: "transformer.wte",
  positions: "transformer.wpe",
  finalNorm: "transformer.ln_f",
  head: "lm_head",
  layers: "transformer.h",
  layer: {
    ...llamaNames.layer,
    beforeAttention: "ln_1",
    beforeMlp: "ln_2",
    qkv: ["attn.c_attn"],
    attentionOutput: "attn.c_proj",
    up: ["mlp.c_fc"],
    down: "mlp.c_proj",
  },
};

/**
 * GPT-2: layer norms, learned positions, an MLP without a gate, biases everywhere, and projections
 * stored the other way round.
 *
 * @see Radford et al., Language Models are Unsupervised Multitask Learners, 2019;
 *   huggingface/transformers: models/gpt2
 */
export const gpt2: Architecture = (json) => {
  oneOf(json, "activation_function", ["gelu_new", "gelu_pytorch_tanh"], "gelu_new");
  oneOf(json, "scale_attn_weights", [true], true);
  oneOf(json, "scale_attn_by_inverse_layer_idx", [false], false);
  oneOf(json, "add_cross_attention", [false], false);
  const base = llamaLayout({ tie_word_embeddings: true, ...json, ...renamed(json) });
  return {
    ...base,
    norm: { kind: "layer", epsilon: positive(json, "layer_norm_epsilon", 1e-5), plusOne: false },
    attentionKinds: [{ window: null, rotary: null }],
    biases: { qkv: true, attentionOutput: true, mlp: true },
    activation: "gelu-tanh",
    gated: false,
    learnedPositions: true,
    transposed: true,
    names,
  };
};

/** The sizes under the names that newer models have. */
function renamed(json: Json): Json {
  const hidden = count(json, "n_embd");
  return {
    hidden_size: hidden,
    intermediate_size: count(json, "n_inner", 4 * hidden),
    num_hidden_layers: count(json, "n_layer"),
    num_attention_heads: count(json, "n_head"),
    num_key_value_heads: null,
    max_position_embeddings: count(json, "n_positions"),
  };
}
