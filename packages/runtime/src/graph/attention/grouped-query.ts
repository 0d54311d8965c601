import { InferenceError } from "@frugal/core";

import type { GraphBuilder } from "../graph-builder.ts";
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
  if (config.attentionKinds.some(({ window }) => window !== null)) {
    throw new InferenceError("unsupported", "groupedQueryAttention: a sliding window");
  }
  return addGroupedQuery(graph, config, () => []);
};

/**
 * The same with masks as inputs, for trees and sliding windows: the profile of devices where outputs
 * stay in place, so that a step moves nothing of the cache.
 *
 * Further inputs: `mask_dims` int64 `[4]`, `1, 1, s, total`, and per attention kind `mask.{k}`, added
 * to the scores, of that shape or of ones, `[1, 1, 1, 1]`, where the operator's own causal mask is all.
 */
export const sharedAttention: AttentionProfile = (graph, config) => {
  const dims = graph.input("mask_dims", "int64", [4]);
  const masks = config.attentionKinds.map((_, kind) => {
    const mask = graph.input(`mask.${kind}`, "float32", [1, 1, `rows.${kind}`, `slots.${kind}`]);
    return graph.node("Expand", [mask, dims]);
  });
  // Without the built-in rotation there are no tables and no positions.
  return addGroupedQuery(graph, config, (kind) => ["", "", "", masks[kind]!]);
};

function addGroupedQuery(
  graph: GraphBuilder,
  config: Parameters<AttentionProfile>[1],
  further: (kind: number) => readonly string[],
): ReturnType<AttentionProfile> {
  const { heads, kvHeads, headDim } = config;
  const kinds = config.attentionKinds.map(({ rotary }, kind) => rotaryInputs(graph, rotary, kind));
  const lengths = [
    graph.input("seqlens_k", "int32", [1]),
    graph.input("total_length", "int32", [1]),
  ];
  const cache = [1, kvHeads, "capacity", headDim];

  return (layer, { query, key, value }) => {
    const past = ["key", "value"].map((side) =>
      graph.input(`past.${layer}.${side}`, "float32", cache),
    );
    const kind = config.layerKinds[layer]!;
    const rotary = kinds[kind]!;
    const [q, k] = [rotate(graph, query, heads, rotary), rotate(graph, key, kvHeads, rotary)];
    const [attended, presentKey, presentValue] = graph.nodes(
      "GroupQueryAttention",
      [q, k, value, ...past, ...lengths, ...further(kind)],
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
}
