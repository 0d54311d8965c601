import { count, flag, type Json, oneOf } from "../load/json-fields.ts";
import { flagsOf, attentionOf, layerTypes, windowOf } from "./layer-kinds.ts";
import { type Architecture, llamaLayout } from "./llama-layout.ts";

/**
 * SmolLM3: Llama where every fourth layer, or those that the configuration lists, has no rotary
 * embedding.
 *
 * @see huggingface/transformers: models/smollm3
 */
export const smollm3: Architecture = (json) => {
  const given: Json = { num_key_value_heads: 4, tie_word_embeddings: true, ...json };
  oneOf(given, "hidden_act", ["silu"], "silu");
  const base = llamaLayout(given, { theta: 2_000_000 });
  const { rotary } = base.attentionKinds[0]!;
  const interval = count(given, "no_rope_layer_interval", 4);
  const rotated = flagsOf(given, "no_rope_layers", base.layers, (l) => (l + 1) % interval !== 0);
  const window = flag(given, "use_sliding_window", false) ? windowOf(given) : null;
  const sliding = layerTypes(given, base.layers, (l) => window !== null && !rotated[l]);
  const attention = flag(given, "attention_bias", false);
  return {
    ...base,
    ...attentionOf(base.layers, (layer) => ({
      window: sliding[layer] ? window : null,
      rotary: rotated[layer] ? rotary : null,
    })),
    biases: { qkv: attention, attentionOutput: attention, mlp: flag(given, "mlp_bias", false) },
  };
};
