import { flag, oneOf } from "../load/json-fields.ts";
import type { TensorNames } from "../load/model-config.ts";
import { type Architecture, llamaLayout, llamaNames } from "./llama-layout.ts";

const names: TensorNames = {
  ...llamaNames,
  layer: {
    ...llamaNames.layer,
    beforeAttention: null,
    afterAttention: "post_attention_layernorm",
    beforeMlp: null,
    afterMlp: "post_feedforward_layernorm",
  },
};

/**
 * OLMo 2: Llama with norms after the sublayers instead of before, and norms of queries and keys over
 * all heads at once.
 *
 * @see OLMo Team, arXiv:2501.00656; huggingface/transformers: models/olmo2
 */
export const olmo2: Architecture = (json) => {
  oneOf(json, "hidden_act", ["silu"], "silu");
  const bias = flag(json, "attention_bias", false);
  return {
    ...llamaLayout({ rms_norm_eps: 1e-5, ...json }),
    queryKeyNorm: "row",
    biases: { qkv: bias, attentionOutput: bias, mlp: false },
    names,
  };
};
