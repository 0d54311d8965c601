import type { ModelConfig } from "../../load/model-config.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import type { AttentionProfile } from "./attention-profile.ts";
import { rotaryInputs, rotate } from "./rotate.ts";

/**
 * Attention over two segments, the cache and the new rows, without ever joining them.
 *
 * `scores = [q·Kpastᵀ + pastBias, q·Knewᵀ + blockBias]`, one softmax over both, then
 * `p₁·Vpast + p₂·Vnew`. The cache is an input that stays where it is (onnxruntime-node reads CPU
 * inputs in place), and only the new rows are outputs (it copies every CPU output), so a step moves
 * `s` rows instead of the whole cache. Masks are inputs, hence trees cost nothing extra.
 *
 * The query heads that share a KV head are stacked as rows of one product, so that each cached key
 * is read once per KV head and not once per query head.
 *
 * The rows of a KV head are ordered by new row, then by query head of the group. Inputs per layer:
 * `past.{l}.key`, `past.{l}.value` `[kvHeads, 1, capacity, headDim]`; per attention kind:
 * `past_bias.{k}` `[1, 1, 1 or s * group, capacity]`, `block_bias.{k}` `[1, 1, s * group, s]`, and
 * where it rotates `cos.{k}`, `sin.{k}` `[s, dim / 2]`. Outputs per layer: `new.{l}.key`,
 * `new.{l}.value` `[kvHeads, 1, s, headDim]`.
 */
export const segmentedAttention: AttentionProfile = (graph, config) => {
  const { heads, kvHeads, headDim, attentionScale } = config;
  const kinds = config.attentionKinds.map(({ rotary }, kind) => ({
    rotary: rotaryInputs(graph, rotary, kind),
    ...addBiases(graph, kind),
  }));
  const cache = [kvHeads, 1, "capacity", headDim];
  const rows = [kvHeads, 1, "s", headDim];

  return (layer, { query, key, value }) => {
    const { rotary, pastBias, blockBias, segments } = kinds[config.layerKinds[layer]!]!;
    const pastKey = graph.input(`past.${layer}.key`, "float32", cache);
    const pastValue = graph.input(`past.${layer}.value`, "float32", cache);
    const newKey = toHeads(graph, rotate(graph, key, kvHeads, rotary), kvHeads, headDim);
    const newValue = toHeads(graph, value, kvHeads, headDim);
    graph.output(`new.${layer}.key`, newKey, "float32", rows);
    graph.output(`new.${layer}.value`, newValue, "float32", rows);

    const queries = stackGroups(graph, rotate(graph, query, heads, rotary), config);
    const scores = graph.node(
      "Concat",
      [
        graph.node("Add", [products(graph, queries, pastKey, attentionScale), pastBias]),
        graph.node("Add", [products(graph, queries, newKey, attentionScale), blockBias]),
      ],
      { axis: { int: 3 } },
    );
    const weights = graph.node("Softmax", [scores], { axis: { int: 3 } });
    const [past, block] = graph.nodes("Split", [weights, segments], 2, { axis: { int: 3 } });
    const attended = graph.node("Add", [
      graph.node("MatMul", [past!, pastValue]),
      graph.node("MatMul", [block!, newValue]),
    ]);
    return unstackGroups(graph, attended, config);
  };
};

/** Masks of the two segments, and their lengths. */
function addBiases(graph: GraphBuilder, kind: number) {
  const past = [1, 1, `past_rows.${kind}`, "capacity"];
  const pastBias = graph.input(`past_bias.${kind}`, "float32", past);
  const blockBias = graph.input(`block_bias.${kind}`, "float32", [1, 1, "s * group", "s"]);
  const lengths = [length(graph, pastBias), length(graph, blockBias)];
  return { pastBias, blockBias, segments: graph.node("Concat", lengths, { axis: { int: 0 } }) };
}

/** Size of the last of four dimensions. */
function length(graph: GraphBuilder, value: string): string {
  return graph.node("Shape", [value], { start: { int: 3 }, end: { int: 4 } });
}

/** `[1, s, heads * D]` -> `[heads, 1, s, D]`. */
function toHeads(graph: GraphBuilder, rows: string, heads: number, headDim: number): string {
  const split = graph.node("Reshape", [rows, graph.ints([1, -1, heads, headDim])]);
  return graph.node("Transpose", [split], { perm: { ints: [2, 0, 1, 3] } });
}

/** `[1, s, kvHeads * group * D]` -> `[kvHeads, 1, s * group, D]`. */
function stackGroups(graph: GraphBuilder, rows: string, config: ModelConfig): string {
  const { heads, kvHeads, headDim } = config;
  const width = (heads / kvHeads) * headDim;
  const split = graph.node("Reshape", [rows, graph.ints([-1, kvHeads, width])]);
  const grouped = graph.node("Transpose", [split], { perm: { ints: [1, 0, 2] } });
  return graph.node("Reshape", [grouped, graph.ints([kvHeads, 1, -1, headDim])]);
}

/** `[kvHeads, 1, s * group, D]` -> `[1, s, heads * D]`. */
function unstackGroups(graph: GraphBuilder, rows: string, config: ModelConfig): string {
  const { heads, kvHeads, headDim } = config;
  const width = (heads / kvHeads) * headDim;
  const split = graph.node("Reshape", [rows, graph.ints([kvHeads, -1, width])]);
  const back = graph.node("Transpose", [split], { perm: { ints: [1, 0, 2] } });
  return graph.node("Reshape", [back, graph.ints([1, -1, heads * headDim])]);
}

/** Scaled dot products, `[kvHeads, 1, s * group, keys]`. */
function products(graph: GraphBuilder, queries: string, keys: string, scale: number): string {
  return graph.node("FusedMatMul", [queries, keys], {
    transB: { int: 1 },
    alpha: { float: scale },
  });
}
