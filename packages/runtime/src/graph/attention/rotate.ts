import type { ModelConfig } from "../../load/config.ts";
import type { GraphBuilder } from "../graph-builder.ts";

/**
 * Applies the rotary embedding to `[s, heads * headDim]`.
 *
 * Row `i` is rotated by row `i` of the graph inputs `cos` and `sin`, which the host computes from
 * the block's positions: any positions, any frequency scaling, no table in the model. (Providers
 * disagree about `position_ids`; all of them agree about the first rows of a table.)
 */
export function rotate(
  graph: GraphBuilder,
  config: ModelConfig,
  rows: string,
  heads: number,
): string {
  const batch = graph.node("Reshape", [rows, graph.ints([1, -1, heads * config.headDim])]);
  const rotated = graph.node("RotaryEmbedding", [batch, graph.ints([0]), "cos", "sin"], {
    num_heads: { int: heads },
    rotary_embedding_dim: { int: 0 },
  });
  return graph.node("Reshape", [rotated, graph.ints([-1, heads * config.headDim])]);
}
