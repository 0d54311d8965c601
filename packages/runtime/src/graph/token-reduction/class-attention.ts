import type { GraphBuilder } from "../graph-builder.ts";
import { productTransposed } from "../product.ts";
import { sliceRows } from "./rows.ts";

/** What the attention of a layer is computed from. */
export interface LayerProjections {
  /** `[n, rows, heads * headDim]`. */
  readonly queries: string;
  /** Of the same shape. */
  readonly keys: string;
  /** What is added to the scores, `[n or 1, 1, rows, rows]`; null: nothing. */
  readonly bias: string | null;
}

/** How much the class token attends to every other row, averaged over heads: `[n, rows - 1, 1]`. */
export function classAttention(
  graph: GraphBuilder,
  { queries, keys, bias }: LayerProjections,
  heads: number,
  width: number,
): string {
  const headDim = width / heads;
  const perHead = (values: string): string => {
    const split = graph.node("Reshape", [values, graph.ints([0, 0, heads, headDim])]);
    return graph.node("Transpose", [split], { perm: { ints: [0, 2, 1, 3] } });
  };
  const query = perHead(sliceRows(graph, queries, [0, 1]));
  const scores = productTransposed(graph, query, perHead(keys), 4, headDim ** -0.5);
  const ofClass = (values: string): string =>
    graph.node("Slice", [values, graph.ints([0]), graph.ints([1]), graph.ints([2])]);
  const biased = bias === null ? scores : graph.node("Add", [scores, ofClass(bias)]);
  const weights = graph.node("Softmax", [biased], { axis: { int: 3 } });
  const mean = graph.node("ReduceMean", [weights, graph.ints([1])], { keepdims: { int: 0 } });
  const column = graph.node("Transpose", [mean], { perm: { ints: [0, 2, 1] } });
  return sliceRows(graph, column, [1, 2 ** 31]);
}
