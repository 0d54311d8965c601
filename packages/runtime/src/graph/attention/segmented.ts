import type { AttentionPolicy, ScoreKind } from "@frugal/core";

import type { ModelConfig } from "../../load/model-config.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { lowerPolicy } from "../policies/lower-policy.ts";
import type { AttentionProfile, LayerAttention } from "./attention-profile.ts";
import { rotaryInputs, rotate } from "./rotate.ts";
import { reportScores } from "./report-scores.ts";
import { attendAll, type SegmentAttention } from "./segments.ts";

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
export const segmentedAttention: AttentionProfile = (graph, config) =>
  addSegmented(graph, config, (segments) => attendAll(graph, segments));

/**
 * The same, where layers attend to the rows of the cache that a policy selects inside the graph.
 *
 * Further inputs and outputs: those of the policy, see `graph/policies`.
 *
 * @throws {@link InferenceError} `unsupported` for a model with sliding windows; `range` for a
 *   policy that names layers the model does not have.
 */
export function selectiveAttention(policy: AttentionPolicy): AttentionProfile {
  return (graph, config) => addSegmented(graph, config, lowerPolicy(graph, config, policy));
}

/** {@link segmentedAttention} whose layer `layer` reports how it attends; see {@link reportScores}. */
export function reportingAttention(kind: ScoreKind, layer: number): AttentionProfile {
  return (graph, config) => addSegmented(graph, config, reportScores(graph, config, kind, layer));
}

/**
 * Adds the inputs of segmented attention.
 *
 * @param cached what a layer caches, and attends to, of its new keys or values `[kvHeads, 1, s, headDim]`
 */
export function addSegmented(
  graph: GraphBuilder,
  config: ModelConfig,
  attend: SegmentAttention,
  cached: (layer: number, side: "key" | "value", rows: string) => string = (_, __, rows) => rows,
): LayerAttention {
  const { heads, kvHeads, headDim, attentionScale, attentionCap } = config;
  const kinds = config.attentionKinds.map(({ rotary }, kind) => ({
    rotary: rotaryInputs(graph, rotary, kind),
    ...addBiases(graph, kind),
  }));
  const cache = [kvHeads, 1, "capacity", headDim];
  const rows = [kvHeads, 1, "s", headDim];

  return (layer, { query, key, value }) => {
    const { rotary, pastBias, blockBias, lengths } = kinds[config.layerKinds[layer]!]!;
    const pastKey = graph.input(`past.${layer}.key`, "float32", cache);
    const pastValue = graph.input(`past.${layer}.value`, "float32", cache);
    const rotated = toHeads(graph, rotate(graph, key, kvHeads, rotary), kvHeads, headDim);
    const newKey = cached(layer, "key", rotated);
    const newValue = cached(layer, "value", toHeads(graph, value, kvHeads, headDim));
    graph.output(`new.${layer}.key`, newKey, "float32", rows);
    graph.output(`new.${layer}.value`, newValue, "float32", rows);

    const queries = stackGroups(graph, rotate(graph, query, heads, rotary), config);
    const attended = attend({
      layer,
      queries,
      past: { key: pastKey, value: pastValue, bias: pastBias },
      block: { key: newKey, value: newValue, bias: blockBias },
      lengths,
      scale: attentionScale,
      limit: attentionCap,
    });
    return unstackGroups(graph, attended, config);
  };
}

/** Masks of the two segments, and their lengths. */
function addBiases(graph: GraphBuilder, kind: number) {
  const past = [1, 1, `past_rows.${kind}`, "capacity"];
  const pastBias = graph.input(`past_bias.${kind}`, "float32", past);
  const blockBias = graph.input(`block_bias.${kind}`, "float32", [1, 1, "s * group", "s"]);
  const sizes = [length(graph, pastBias), length(graph, blockBias)];
  return { pastBias, blockBias, lengths: graph.node("Concat", sizes, { axis: { int: 0 } }) };
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
