import { oneOf } from "../load/json-fields.ts";
import type { TensorNames } from "../load/model-config.ts";
import { attentionOf, windowOf } from "./layer-kinds.ts";
import { type Architecture, llamaLayout, llamaNames } from "./llama-layout.ts";

const names: TensorNames = {
  ...llamaNames,
  layer: { ...llamaNames.layer, qkv: ["self_attn.qkv_proj"], up: ["mlp.gate_up_proj"] },
};

/**
 * Phi-3, Phi-3.5 and Phi-4: Llama with one projection for queries, keys and values and one for gate
 * and up, LongRoPE, and in some a sliding window or channels that do not turn.
 *
 * Positions are those of the original length, unless long texts are asked for; see `usableLength`.
 *
 * @see Abdin et al., arXiv:2404.14219; huggingface/transformers: models/phi3
 */
export const phi3: Architecture = (json) => {
  oneOf(json, "hidden_act", ["silu"], "silu");
  const base = llamaLayout({ rms_norm_eps: 1e-5, ...json });
  const { rotary } = base.attentionKinds[0]!;
  const window = windowOf(json);
  return { ...base, ...attentionOf(base.layers, () => ({ window, rotary })), names };
};
