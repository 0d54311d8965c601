import { flag } from "../load/json-fields.ts";
import type { Architecture } from "./llama-layout.ts";
import { qwenLayout } from "./qwen2.ts";

/**
 * Qwen3: Qwen2 without its biases, with a norm of every head's queries and keys.
 *
 * @see Yang et al., arXiv:2505.09388; huggingface/transformers: models/qwen3
 */
export const qwen3: Architecture = (json) => {
  const bias = flag(json, "attention_bias", false);
  return {
    ...qwenLayout({ head_dim: 128, ...json }),
    queryKeyNorm: "head",
    biases: { qkv: bias, attentionOutput: bias, mlp: false },
  };
};
