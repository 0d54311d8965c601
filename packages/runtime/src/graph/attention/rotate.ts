import type { GraphBuilder } from "../graph-builder.ts";

/**
 * Applies the rotary embedding to `[1, s, heads * headDim]`.
 *
 * Row `i` is rotated by row `i` of the graph inputs `cos` and `sin`, which the host computes from
 * the block's positions: any positions, any frequency scaling, no table in the model. (Providers
 * disagree about `position_ids`; all of them agree about the first rows of a table.)
 */
export function rotate(graph: GraphBuilder, rows: string, heads: number): string {
  return graph.node("RotaryEmbedding", [rows, graph.ints([0]), "cos", "sin"], {
    num_heads: { int: heads },
    rotary_embedding_dim: { int: 0 },
  });
}
