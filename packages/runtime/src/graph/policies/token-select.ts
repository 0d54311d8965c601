import type { TokenSelectPolicy } from "@frugal/core";

import type { ModelConfig } from "../../load/model-config.ts";
import { attendAll, products, type SegmentAttention, withPast } from "../attention/segments.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { policyInputs } from "./policy-inputs.ts";

/**
 * `tokenSelect` of `@frugal/kv-cache` inside the graph.
 *
 * Inputs beside the shared ones: `fixed_rows` int64 `[f]`, the sinks and the tail; `range_bias`
 * `[1, 1, 1, n]`, 0 for the slots between; `reselect` bool `[1]`, where no choice may be reused; per
 * layer `chosen.{l}` int64 `[1, 1, k]` and `chosen_query.{l}` `[kvHeads, 1, group, headDim]`, the choice
 * so far. Outputs: `next_chosen.{l}` and `next_chosen_query.{l}`, the choice from now on.
 */
export function lowerTokenSelect(
  graph: GraphBuilder,
  config: ModelConfig,
  policy: TokenSelectPolicy,
): SegmentAttention {
  const { heads, kvHeads, headDim } = config;
  const group = heads / kvHeads;
  const sparse = policyInputs.sparse(graph);
  const count = policyInputs.count(graph);
  const bias = policyInputs.bias(graph);
  const fixed = graph.input("fixed_rows", "int64", ["fixed"]);
  const range = graph.input("range_bias", "float32", [1, 1, 1, "candidates"]);
  const reselect = graph.input("reselect", "bool", [1]);
  const keepFirst = { keepdims: { int: 0 } };

  /** The mean over the block's rows, `[kvHeads, 1, group, headDim]`. */
  const meanQuery = (queries: string): string => {
    const rows = graph.node("Reshape", [queries, graph.ints([kvHeads, -1, group, headDim])]);
    return graph.node("ReduceMean", [rows, graph.ints([1])], { keepdims: { int: 1 } });
  };
  const pool = (votes: string): string => {
    if (policy.pooling === 1) return votes;
    const reach = (policy.pooling - 1) / 2;
    return graph.node("MaxPool", [votes], {
      kernel_shape: { ints: [policy.pooling] },
      pads: { ints: [reach, reach] },
    });
  };
  const vote = (query: string, keys: string, scale: number): string => {
    const scores = graph.node("Add", [products(graph, query, keys, scale), range]);
    const weights = graph.node("Softmax", [scores], { axis: { int: 3 } });
    const votes = graph.node("ReduceSum", [weights, graph.ints([0, 2])], keepFirst);
    const worth = graph.node("Add", [
      pool(graph.node("Unsqueeze", [votes, graph.ints([0])])),
      bias,
    ]);
    return graph.nodes("TopK", [worth, count], 2, { axis: { int: 2 } })[1]!;
  };
  const dot = (a: string, b: string): string =>
    graph.node("ReduceSum", [graph.node("Mul", [a, b])], keepFirst);
  /** Whether the cosine of the queries is too small; also where one of them is 0. */
  const hasTurned = (query: string, before: string, theta: number): string => {
    const norms = graph.node("Sqrt", [graph.node("Mul", [dot(query, query), dot(before, before)])]);
    const bound = graph.node("Mul", [norms, graph.floats("reuse", Float32Array.of(theta), [])]);
    return graph.node("Less", [dot(query, before), bound]);
  };

  return (segments) => {
    const { layer, queries, past, scale } = segments;
    const chosen = graph.input(`chosen.${layer}`, "int64", [1, 1, "picked"]);
    const before = graph.input(`chosen_query.${layer}`, "float32", [kvHeads, 1, group, headDim]);
    const keep = (): readonly string[] => [chosen, before].map((x) => graph.node("Identity", [x]));
    const [rows, query] = graph.branch(
      sparse,
      () => {
        const mean = meanQuery(queries);
        const choose = (): readonly string[] => [
          vote(mean, past.key, scale),
          graph.node("Identity", [mean]),
        ];
        if (policy.reuse === null) return choose();
        const turned = hasTurned(mean, before, policy.reuse);
        return graph.branch(graph.node("Or", [reselect, turned]), choose, keep);
      },
      keep,
    );
    graph.output(`next_chosen.${layer}`, rows!, "int64", [1, 1, "next_picked"]);
    graph.output(`next_chosen_query.${layer}`, query!, "float32", [kvHeads, 1, group, headDim]);
    const gather = (side: string): string => {
      const parts = [fixed, rows!].map((slots) => {
        const gathered = graph.node("Gather", [side, slots], { axis: { int: 2 } });
        return graph.node("Reshape", [gathered, graph.ints([kvHeads, 1, -1, headDim])]);
      });
      return graph.node("Concat", parts, { axis: { int: 2 } });
    };
    const [attended] = graph.branch(
      sparse,
      () => [attendAll(graph, withPast(graph, segments, gather(past.key), gather(past.value)))],
      () => [attendAll(graph, segments)],
    );
    return attended!;
  };
}
