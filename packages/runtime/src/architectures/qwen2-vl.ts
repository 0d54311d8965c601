import { oneOf } from "../load/json-fields.ts";
import type { Architecture } from "./llama-layout.ts";
import { qwenLayout } from "./qwen2.ts";

/**
 * The decoder of Qwen2-VL and Qwen2.5-VL: Qwen2 with M-RoPE, where positions may be triples of frame, row and column.
 * Its configurations state it as `rope_scaling` of type `mrope`, or as `mrope_section` alone.
 *
 * @see Wang et al., arXiv:2409.12191; huggingface/transformers: models/qwen2_vl
 */
export const qwen2VlText: Architecture = (json) => {
  // A window would be counted in tokens, which positions do not.
  oneOf(json, "use_sliding_window", [false], false);
  const rope = { rope_theta: 1_000_000, ...json };
  return {
    ...qwenLayout({ rms_norm_eps: 1e-5, ...rope }),
    biases: { qkv: true, attentionOutput: false, mlp: false },
  };
};
