import { count } from "../load/json-fields.ts";
import { ropeOf } from "../load/rope-config.ts";
import { sandwichedGemma } from "./gemma2.ts";
import { attentionOf, layerTypes, windowOf } from "./layer-kinds.ts";
import type { Architecture } from "./llama-layout.ts";

/**
 * Text models of Gemma 3: Gemma 2 with norms of queries and keys in place of capped scores, and five
 * layers with a sliding window and a short rotary base for each one without.
 *
 * @see Gemma Team, arXiv:2503.19786; huggingface/transformers: models/gemma3
 */
export const gemma3: Architecture = (json) => {
  const base = sandwichedGemma(json, { theta: 1_000_000 });
  const { rotary } = base.attentionKinds[0]!;
  const pattern = count(json, "sliding_window_pattern", 6);
  const sliding = layerTypes(json, base.layers, (layer) => (layer + 1) % pattern !== 0);
  const window = windowOf({ sliding_window: 4096, ...json });
  const local = localRope(json, base.headDim);
  return {
    ...base,
    ...attentionOf(base.layers, (layer) =>
      sliding[layer] ? { window, rotary: local } : { window: null, rotary },
    ),
    queryKeyNorm: "head",
  };
};

/** Transformers 4 has one base for these layers and no scaling; 5 nests parameters of their own. */
function localRope(json: Parameters<Architecture>[0], headDim: number) {
  const nested = json["rope_parameters"];
  const theta = (json["rope_local_base_freq"] ?? 10_000) as number;
  if (typeof nested === "object" && nested !== null) {
    const own = { rope_parameters: { sliding_attention: {}, ...nested } };
    return ropeOf({ ...json, ...own, rope_theta: theta }, headDim, {
      layerType: "sliding_attention",
    });
  }
  return ropeOf({ ...json, rope_scaling: null, rope_theta: theta }, headDim);
}
