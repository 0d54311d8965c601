import type { GraphBuilder } from "../graph-builder.ts";
import { productTransposed } from "../product.ts";

/**
 * Adds attention of every row to every row: `[n, rows, width]` of queries, keys and values (`parts`) of
 * that shape.
 *
 * In portable graphs it is written out. WebGPU's `MultiHeadAttention` is wrong from 32 rows on where
 * the device's subgroups are as small as those of software adapters (1.30.0).
 *
 * @param bias of the scores, `[n or 1, 1, rows, rows]`; null: none
 */
export function attendRows(
  graph: GraphBuilder,
  parts: readonly string[],
  { heads, width }: { readonly heads: number; readonly width: number },
  bias: string | null,
): string {
  if (graph.operators === "cpu") {
    const biased = bias === null ? [] : ["", "", bias];
    const attributes = { num_heads: { int: heads } };
    return graph.node("MultiHeadAttention", [...parts, ...biased], attributes);
  }
  const headDim = width / heads;
  const [q, k, v] = parts.map((rows) => {
    const split = graph.node("Reshape", [rows, graph.ints([0, 0, heads, headDim])]);
    return graph.node("Transpose", [split], { perm: { ints: [0, 2, 1, 3] } });
  });
  const scores = productTransposed(graph, q!, k!, 4, headDim ** -0.5);
  const biased = bias === null ? scores : graph.node("Add", [scores, bias]);
  const weights = graph.node("Softmax", [biased], { axis: { int: 3 } });
  const mixed = graph.node("MatMul", [weights, v!]);
  const byRow = graph.node("Transpose", [mixed], { perm: { ints: [0, 2, 1, 3] } });
  return graph.node("Reshape", [byRow, graph.ints([0, 0, width])]);
}
