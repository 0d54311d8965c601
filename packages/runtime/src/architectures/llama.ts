import { flag, oneOf } from "../load/json-fields.ts";
import { type Architecture, llamaLayout } from "./llama-layout.ts";

/**
 * Llama 2 and 3, SmolLM, SmolLM2, TinyLlama and whatever else is saved under their name.
 *
 * @see huggingface/transformers: models/llama/modeling_llama.py
 */
export const llama: Architecture = (json) => {
  oneOf(json, "hidden_act", ["silu"], "silu");
  const attention = flag(json, "attention_bias", false);
  const mlp = flag(json, "mlp_bias", false);
  return { ...llamaLayout(json), biases: { qkv: attention, attentionOutput: attention, mlp } };
};
