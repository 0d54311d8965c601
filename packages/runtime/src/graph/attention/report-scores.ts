import type { ScoreKind } from "@frugal/core";

import type { ModelConfig } from "../../load/model-config.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { attendAll, attendWithScores, type SegmentAttention } from "./segments.ts";

/**
 * Attention to everything, where one layer can tell how it attends from some rows of the block.
 *
 * Inputs: `scored` bool `[1]`, whether the step asks; `score_rows` int64 `[q * group]`, which of the
 * `s * group` lines of its queries. Output `attention.{l}`: of `"attention"` the weights, averaged over
 * heads, `[q, capacity + s]`; of `"logits"` the masked scores, `[kvHeads, 1, q * group, capacity + s]`;
 * empty in steps that do not ask, which pay nothing.
 */
export function reportScores(
  graph: GraphBuilder,
  { heads, kvHeads }: ModelConfig,
  kind: ScoreKind,
  layer: number,
): SegmentAttention {
  const scored = graph.input("scored", "bool", [1]);
  const rows = graph.input("score_rows", "int64", ["q * group"]);
  const dims = kind === "attention" ? [0, 0] : [kvHeads, 1, 0, 0];

  return (segments) => {
    if (segments.layer !== layer) return attendAll(graph, segments);
    const { attended, scores, weights } = attendWithScores(graph, segments);
    const [reported] = graph.branch(
      scored,
      () => {
        const from = kind === "attention" ? weights : scores;
        const chosen = graph.node("Gather", [from, rows], { axis: { int: 2 } });
        return [kind === "attention" ? meanOverHeads(graph, chosen, heads / kvHeads) : chosen];
      },
      () => [graph.node("Identity", [graph.floats("no scores", new Float32Array(0), dims)])],
    );
    const shape = kind === "attention" ? ["q", "n"] : [kvHeads, 1, "q * group", "n"];
    graph.output(`attention.${layer}`, reported!, "float32", shape);
    return attended;
  };
}

/** `[kvHeads, 1, q * group, n]` -> `[q, n]`. */
function meanOverHeads(graph: GraphBuilder, weights: string, group: number): string {
  const mean = (x: string, axes: readonly number[]): string =>
    graph.node("ReduceMean", [x, graph.ints(axes)], { keepdims: { int: 0 } });
  const lines = mean(weights, [0, 1]);
  if (group === 1) return lines;
  // The number of keys comes first, so that a reshape can leave it as it is.
  const columns = graph.node("Transpose", [lines], { perm: { ints: [1, 0] } });
  const grouped = graph.node("Reshape", [columns, graph.ints([0, -1, group])]);
  return graph.node("Transpose", [mean(grouped, [2])], { perm: { ints: [1, 0] } });
}
