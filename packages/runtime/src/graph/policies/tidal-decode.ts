import type { TidalDecodePolicy } from "@frugal/core";

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
 * `tidalDecode` of `@frugal/kv-cache` inside the graph: indices flow from a selection layer to the
 * layers after it.
 */
export function lowerTidalDecode(
  graph: GraphBuilder,
  { kvHeads }: ModelConfig,
  policy: TidalDecodePolicy,
): SegmentAttention {
  const sparse = policyInputs.sparse(graph);
  const count = policyInputs.count(graph);
  const bias = policyInputs.bias(graph);
  const reduce = policy.reduce === "sum" ? "ReduceSum" : "ReduceMax";
  let chosen = "";

  return (segments) => {
    const { layer, past } = segments;
    if (layer < policy.selectAt[0]!) return attendAll(graph, segments);
    if (policy.selectAt.includes(layer)) {
      const { attended, pastScores } = attendWithScores(graph, segments);
      const choose = (): string => {
        const worth = graph.node(reduce, [pastScores, graph.ints([2])], { keepdims: { int: 0 } });
        return largest(graph, graph.node("Add", [worth, bias]), count);
      };
      [chosen] = graph.branch(
        sparse,
        () => [choose()],
        () => [graph.node("Identity", [graph.ints([], [kvHeads, 1, 0, 1])])],
      ) as [string];
      return attended;
    }
    const rows = chosen;
    const [attended] = graph.branch(
      sparse,
      () => {
        const key = gatherRows(graph, past.key, rows);
        const value = gatherRows(graph, past.value, rows);
        return [attendAll(graph, withPast(graph, segments, key, value))];
      },
      () => [attendAll(graph, segments)],
    );
    return attended!;
  };
}
