import type { GraphBuilder } from "../graph-builder.ts";

/**
 * Inputs that the lowered policies share. Which of them a graph has is up to its policy; the host
 * side of each is in `sequence/policies`.
 */
export const policyInputs = {
  /** bool `[1]`: whether layers attend to a part of the cache in this step. */
  sparse: (graph: GraphBuilder): string => graph.input("sparse", "bool", [1]),
  /** int64 `[1]`: how many rows, pages or blocks are chosen; at least 1. */
  count: (graph: GraphBuilder): string => graph.input("selected_count", "int64", [1]),
  /**
   * float32 `[1, 1, n]`: what is added to what slots, pages or blocks are worth. 0; below every
   * score where there is nothing to choose; above every score for sinks.
   */
  bias: (graph: GraphBuilder): string =>
    graph.input("selection_bias", "float32", [1, 1, "candidates"]),
} as const;

/**
 * The indices of the largest values, int64 `[h, 1, k, 1]`, of `[h, 1, n]`; equal ones by ascending
 * index.
 */
export function largest(graph: GraphBuilder, values: string, count: string): string {
  const column = graph.node("Unsqueeze", [values, graph.ints([3])]);
  return graph.nodes("TopK", [column, count], 2, { axis: { int: 2 } })[1]!;
}

/** Rows of `[h, 1, n, d]` by indices `[h, 1, k, 1]`: `[h, 1, k, d]`. */
export function gatherRows(graph: GraphBuilder, rows: string, indices: string): string {
  return graph.node("GatherND", [rows, indices], { batch_dims: { int: 2 } });
}
