import { flag, type Json, oneOf } from "../load/json-fields.ts";
import type { RopeDefaults } from "../load/rope-config.ts";
import { type Architecture, llamaLayout } from "./llama-layout.ts";

/**
 * Gemma: Llama with embeddings scaled by the root of their width, norm scales stored minus one, and
 * GELU in the MLP, its tanh form also where the configuration says `gelu`.
 *
 * @see Gemma Team, arXiv:2403.08295; huggingface/transformers: models/gemma
 */
export const gemma: Architecture = (json) => {
  // `hidden_act` is what early configurations have, meaning the same.
  const named = json["hidden_activation"] ?? json["hidden_act"] ?? undefined;
  oneOf({ hidden_act: named }, "hidden_act", ["gelu", "gelu_pytorch_tanh"], "gelu_pytorch_tanh");
  return gemmaLayout({ num_key_value_heads: 16, ...json });
};

/** What the generations of Gemma share. */
export function gemmaLayout(json: Json, rope?: RopeDefaults): ReturnType<Architecture> {
  oneOf(json, "use_bidirectional_attention", [false], false);
  const bias = flag(json, "attention_bias", false);
  const base = llamaLayout({ head_dim: 256, tie_word_embeddings: true, ...json }, rope);
  return {
    ...base,
    norm: { ...base.norm, plusOne: true },
    biases: { qkv: bias, attentionOutput: bias, mlp: false },
    activation: "gelu-tanh",
    embeddingScale: Math.sqrt(base.hiddenSize),
  };
}
