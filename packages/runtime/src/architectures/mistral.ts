import { oneOf } from "../load/json-fields.ts";
import { type Architecture, llamaLayout } from "./llama-layout.ts";
import { attentionOf, windowOf } from "./layer-kinds.ts";

/**
 * Mistral: Llama with a sliding window in every layer, where the configuration has one.
 *
 * @see Jiang et al., arXiv:2310.06825; huggingface/transformers: models/mistral
 */
export const mistral: Architecture = (json) => {
  const given = { num_key_value_heads: 8, sliding_window: 4096, ...json };
  oneOf(given, "hidden_act", ["silu"], "silu");
  const base = llamaLayout(given);
  const { rotary } = base.attentionKinds[0]!;
  const window = windowOf(given);
  return { ...base, ...attentionOf(base.layers, () => ({ window, rotary })) };
};
