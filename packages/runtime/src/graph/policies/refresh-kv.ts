import type { ModelConfig } from "../../load/model-config.ts";
import {
  attendAll,
  attendWithScores,
  type SegmentAttention,
  withPast,
} from "../attention/segments.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { gatherRows, largest, policyInputs } from "./policy-inputs.ts";

/**
 * `refreshKv` of `@frugal/kv-cache` inside the graph.
 *
 * Inputs beside the shared ones: `note` bool `[1]`, whether a full step chooses; `since` int64 `[1]`
 * and `cached` int64 `[1]`, the slots between which rows came after the last full step; per layer
 * `noted.{l}` int64 `[kvHeads, 1, k, 1]`. Outputs per layer: `next_noted.{l}`, and `queries.{l}`
 * `[kvHeads, 1, s * group, headDim]`.
 */
export function lowerRefreshKv(graph: GraphBuilder, config: ModelConfig): SegmentAttention {
  const { kvHeads, headDim } = config;
  const sparse = policyInputs.sparse(graph);
  const count = policyInputs.count(graph);
  const bias = policyInputs.bias(graph);
  const note = graph.input("note", "bool", [1]);
  const since = graph.input("since", "int64", [1]);
  const cached = graph.input("cached", "int64", [1]);

  const choose = (pastScores: string): string => {
    const weights = graph.node("Softmax", [pastScores], { axis: { int: 3 } });
    const keepdims = { keepdims: { int: 0 } };
    const worth = graph.node("ReduceSum", [weights, graph.ints([2])], keepdims);
    return largest(graph, graph.node("Add", [worth, bias]), count);
  };

  return (segments) => {
    const { layer, past, queries } = segments;
    const noted = graph.input(`noted.${layer}`, "int64", [kvHeads, 1, "picked", 1]);
    graph.output(`queries.${layer}`, queries, "float32", [kvHeads, 1, "s * group", headDim]);
    const gather = (side: string): string => {
      const recent = graph.node("Slice", [side, since, cached, graph.ints([2])]);
      return graph.node("Concat", [gatherRows(graph, side, noted), recent], { axis: { int: 2 } });
    };
    const keep = (): readonly string[] => [graph.node("Identity", [noted])];
    const [attended, next] = graph.branch(
      sparse,
      () => {
        const rows = withPast(graph, segments, gather(past.key), gather(past.value));
        return [attendAll(graph, rows), ...keep()];
      },
      () => {
        const { attended: all, pastScores } = attendWithScores(graph, segments);
        return [all, ...graph.branch(note, () => [choose(pastScores)], keep)];
      },
    );
    graph.output(`next_noted.${layer}`, next!, "int64", [kvHeads, 1, "next_picked", 1]);
    return attended!;
  };
}
