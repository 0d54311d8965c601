import type { ModelConfig } from "../../load/model-config.ts";
import type { GraphBuilder } from "../graph-builder.ts";

/** Reads whole pages of a cache whose capacity is a multiple of their size. */
export interface Pages {
  /** Pages of `[kvHeads, 1, capacity, headDim]` by indices `[kvHeads, 1, p, 1]`, row after row. */
  gather(side: string, indices: string): string;
  /** The rows after the last full page. */
  rest(side: string): string;
}

/**
 * Inputs: `full_rows` int64 `[1]`, the rows in full pages, and `cached` int64 `[1]`, all of them.
 */
export function addPages(
  graph: GraphBuilder,
  { kvHeads, headDim }: ModelConfig,
  pageSize: number,
): Pages {
  const from = graph.input("full_rows", "int64", [1]);
  const to = graph.input("cached", "int64", [1]);
  return {
    gather(side, indices) {
      const pages = graph.ints([kvHeads, 1, -1, pageSize * headDim]);
      const paged = graph.node("Reshape", [side, pages]);
      const chosen = graph.node("GatherND", [paged, indices], { batch_dims: { int: 2 } });
      return graph.node("Reshape", [chosen, graph.ints([kvHeads, 1, -1, headDim])]);
    },
    rest: (side) => graph.node("Slice", [side, from, to, graph.ints([2])]),
  };
}
