import { type Json, oneOf, positive } from "../load/json-fields.ts";
import type { TensorNames } from "../load/model-config.ts";
import type { RopeDefaults } from "../load/rope-config.ts";
import { gemmaLayout } from "./gemma.ts";
import { attentionOf, layerTypes, windowOf } from "./layer-kinds.ts";
import { type Architecture, llamaNames } from "./llama-layout.ts";

/**
 * Gemma 2: Gemma with norms also after the sublayers, capped scores and logits, and a sliding
 * window in every other layer.
 *
 * @see Gemma Team, arXiv:2408.00118; huggingface/transformers: models/gemma2
 */
export const gemma2: Architecture = (json) => {
  const given = { attn_logit_softcapping: 50, final_logit_softcapping: 30, ...json };
  const base = sandwichedGemma(given);
  const { rotary } = base.attentionKinds[0]!;
  const sliding = layerTypes(given, base.layers, (layer) => layer % 2 === 0);
  const window = windowOf({ sliding_window: 4096, ...json });
  return {
    ...base,
    ...attentionOf(base.layers, (layer) => ({ window: sliding[layer] ? window : null, rotary })),
  };
};

const names: TensorNames = {
  ...llamaNames,
  layer: {
    ...llamaNames.layer,
    afterAttention: "post_attention_layernorm",
    beforeMlp: "pre_feedforward_layernorm",
    afterMlp: "post_feedforward_layernorm",
  },
};

/** What Gemma 2 and 3 share: norms before and after the sublayers, caps, a scale of its own. */
export function sandwichedGemma(json: Json, rope?: RopeDefaults): ReturnType<Architecture> {
  oneOf(json, "hidden_activation", ["gelu_pytorch_tanh"], "gelu_pytorch_tanh");
  const cap = (field: string): number | null =>
    (json[field] ?? null) === null ? null : positive(json, field);
  return {
    ...gemmaLayout({ num_key_value_heads: 4, ...json }, rope),
    attentionScale: 1 / Math.sqrt(positive(json, "query_pre_attn_scalar", 256)),
    attentionCap: cap("attn_logit_softcapping"),
    logitCap: cap("final_logit_softcapping"),
    names,
  };
}
