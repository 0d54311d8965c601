import { count, flag, type Json, oneOf } from "../load/json-fields.ts";
import { attentionOf, layerTypes, windowOf } from "./layer-kinds.ts";
import { type Architecture, llamaLayout } from "./llama-layout.ts";

/**
 * Qwen2 and Qwen2.5: Llama with biases on queries, keys and values, and a sliding window in the
 * upper layers where the configuration turns it on.
 *
 * @see Yang et al., arXiv:2407.10671; huggingface/transformers: models/qwen2
 */
export const qwen2: Architecture = (json) => ({
  ...qwenLayout(json),
  biases: { qkv: true, attentionOutput: false, mlp: false },
});

/** What Qwen2 and Qwen3 share. */
export function qwenLayout(json: Json): ReturnType<Architecture> {
  oneOf(json, "hidden_act", ["silu"], "silu");
  const given: Json = { num_key_value_heads: 32, sliding_window: 4096, ...json };
  const base = llamaLayout(given);
  const { rotary } = base.attentionKinds[0]!;
  const window = flag(given, "use_sliding_window", false) ? windowOf(given) : null;
  const first = window === null ? 0 : count(given, "max_window_layers", 28);
  const sliding = layerTypes(given, base.layers, (layer) => window !== null && layer >= first);
  return {
    ...base,
    ...attentionOf(base.layers, (layer) => ({ window: sliding[layer] ? window : null, rotary })),
  };
}
