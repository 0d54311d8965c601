import { InferenceError } from "@frugal/core";

import type { AttentionProfile } from "./attention-profile.ts";
import { rotaryInputs, rotate } from "./rotate.ts";

/**
 * Attention by ONNX Runtime's `GroupQueryAttention`, with a cache of fixed capacity that is both
 * input and output, so that the operator writes the new rows in place.
 *
 * The way exported decoders work, and the peer that {@link segmentedAttention} is measured against.
 * The rotary embedding is a node of its own, because providers disagree about the positions of the
 * built-in one. Chains only, and no sliding windows.
 *
 * Inputs per layer: `past.{l}.key`, `past.{l}.value` `[1, kvHeads, capacity, headDim]`; shared:
 * `seqlens_k` int32 `[1]`, the total length minus one, `total_length` int32 `[1]`, `cos.{k}`,
 * `sin.{k}` `[s, dim / 2]` of attention kind `k`. Outputs per layer: `present.{l}.key`, `present.{l}.value`, of the same shape.
 */
export const groupedQueryAttention: AttentionProfile = (graph, config) => {
  const { heads, kvHeads, headDim } = config;
  const kinds = config.attentionKinds.map((kind, index) => {
    if (kind.window === null) return rotaryInputs(graph, kind.rotary, index);
    throw new InferenceError("unsupported", "groupedQueryAttention: a sliding window");
  });
  const lengths = [
    graph.input("seqlens_k", "int32", [1]),
    graph.input("total_length", "int32", [1]),
  ];
  const cache = [1, kvHeads, "capacity", headDim];

  return (layer, { query, key, value }) => {
    const past = ["key", "value"].map((side) =>
      graph.input(`past.${layer}.${side}`, "float32", cache),
    );
    const rotary = kinds[config.layerKinds[layer]!]!;
    const [q, k] = [rotate(graph, query, heads, rotary), rotate(graph, key, kvHeads, rotary)];
    const [attended, presentKey, presentValue] = graph.nodes(
      "GroupQueryAttention",
      [q, k, value, ...past, ...lengths],
      3,
      {
        num_heads: { int: heads },
        kv_num_heads: { int: kvHeads },
        do_rotary: { int: 0 },
        scale: { float: config.attentionScale },
        softcap: { float: config.attentionCap ?? 0 },
      },
    );
    graph.output(`present.${layer}.key`, presentKey!, "float32", cache);
    graph.output(`present.${layer}.value`, presentValue!, "float32", cache);
    return attended!;
  };
};
