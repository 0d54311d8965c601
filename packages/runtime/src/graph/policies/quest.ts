import type { QuestPolicy } from "@frugal/core";

import type { ModelConfig } from "../../load/model-config.ts";
import { attendAll, products, type SegmentAttention, withPast } from "../attention/segments.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { addPages } from "./pages.ts";
import { largest, policyInputs } from "./policy-inputs.ts";

/**
 * `quest` of `@frugal/kv-cache` inside the graph. The bounds of pages are inputs that the host
 * extends when a page is full: `page_min.{l}`, `page_max.{l}` `[kvHeads, 1, pages, headDim]`.
 */
export function lowerQuest(
  graph: GraphBuilder,
  config: ModelConfig,
  policy: QuestPolicy,
): SegmentAttention {
  const sparse = policyInputs.sparse(graph);
  const count = policyInputs.count(graph);
  const bias = policyInputs.bias(graph);
  const pages = addPages(graph, config, policy.pageSize);
  const bounds = [config.kvHeads, 1, "candidates", config.headDim];

  /** The largest bound over the queries, `[kvHeads, 1, pages]`: `relu(q)·max - relu(-q)·min`. */
  const worth = (queries: string, minima: string, maxima: string): string => {
    const up = products(graph, graph.node("Relu", [queries]), maxima, 1);
    const negated = graph.node("Relu", [graph.node("Neg", [queries])]);
    const both = graph.node("Add", [up, products(graph, negated, minima, -1)]);
    return graph.node("ReduceMax", [both, graph.ints([2])], { keepdims: { int: 0 } });
  };

  return (segments) => {
    const { layer, queries, past } = segments;
    if (layer < policy.dense) return attendAll(graph, segments);
    const minima = graph.input(`page_min.${layer}`, "float32", bounds);
    const maxima = graph.input(`page_max.${layer}`, "float32", bounds);
    const [attended] = graph.branch(
      sparse,
      () => {
        const values = graph.node("Add", [worth(queries, minima, maxima), bias]);
        const chosen = largest(graph, values, count);
        const [key, value] = [past.key, past.value].map((side) =>
          graph.node("Concat", [pages.gather(side, chosen), pages.rest(side)], {
            axis: { int: 2 },
          }),
        );
        return [attendAll(graph, withPast(graph, segments, key!, value!))];
      },
      () => [attendAll(graph, segments)],
    );
    return attended!;
  };
}
