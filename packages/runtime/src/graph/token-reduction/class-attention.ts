import type { GraphBuilder } from "../graph-builder.ts";
import { productTransposed } from "../product.ts";
import { sliceRows } from "./rows.ts";

/**
 * How much the class token attends to every other row, averaged over heads: `[n, rows - 1, 1]`.
 *
 * @param queries of the layer, `[n, rows, heads * headDim]`, like `keys`
 * @param bias of the scores, `[n, 1, rows, rows]`; null: none
 */
export function classAttention(
  graph: GraphBuilder,
  { queries, keys }: { readonly queries: string; readonly keys: string },
  rows: number,
  heads: number,
  headDim: number,
  bias: string | null,
): string {
  const perHead = (values: string, count: number): string => {
    const split = graph.node("Reshape", [values, graph.ints([0, count, heads, headDim])]);
    return graph.node("Transpose", [split], { perm: { ints: [0, 2, 1, 3] } });
  };
  const query = perHead(sliceRows(graph, queries, [0, 1]), 1);
  const scores = productTransposed(graph, query, perHead(keys, rows), 4, headDim ** -0.5);
  const ofClass = (values: string): string =>
    graph.node("Slice", [values, graph.ints([0]), graph.ints([1]), graph.ints([2])]);
  const biased = bias === null ? scores : graph.node("Add", [scores, ofClass(bias)]);
  const weights = graph.node("Softmax", [biased], { axis: { int: 3 } });
  const mean = graph.node("ReduceMean", [weights, graph.ints([1])], { keepdims: { int: 0 } });
  const column = graph.node("Reshape", [mean, graph.ints([-1, rows, 1])]);
  return sliceRows(graph, column, [1, rows]);
}
