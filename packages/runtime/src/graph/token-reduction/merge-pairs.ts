import type { GraphBuilder } from "../graph-builder.ts";
import { productTransposed } from "../product.ts";
import { placesWithout, type RowTracker, rowsWithout } from "./row-tracker.ts";
import {
  gatherAt,
  gatherRows,
  largest,
  membership,
  numbersAt,
  scalar,
  sliceRows,
  unitRows,
} from "./rows.ts";

/** What pairs of rows are merged by. */
export interface PairMerge {
  /** How many rows to merge away, at most the number of those that can be. */
  readonly count: number;
  /** Keys of the layer, `[n, rows, heads * headDim]`. */
  readonly keys: string;
  readonly heads: number;
  /** Whether row 0 is a class token, which is never merged. */
  readonly classToken: boolean;
  /** Changes the rows that are merged, given those they join; both times their size, `[n, k, d]`. */
  readonly modulate: ((from: string, into: string) => string) | null;
}

/**
 * `mergeBipartite` in a graph: the rows of even number that resemble a row of odd number most join it.
 * Rows `[n, rows, d]` in, `[n, rows - count, d]` out.
 *
 * _Cost_: rows² / 4 products of keys, and a product of `[rows, count]` and `[count, d]`.
 */
export function mergePairs(
  graph: GraphBuilder,
  tracker: RowTracker,
  rows: string,
  merge: PairMerge,
): string {
  const { count, modulate } = merge;
  const { count: before, sizes } = tracker;
  const { from, into } = matchPairs(graph, before, merge);
  const joins = membership(graph, before, into, count);
  const leaving = membership(graph, before, from, count);
  const leaves = graph.node("ReduceMax", [leaving, graph.ints([2])]);
  const kept = rowsWithout(graph, leaves, before, before - count);

  const weighted = sizes === null ? rows : graph.node("Mul", [rows, sizes]);
  const taken = gatherRows(graph, weighted, from);
  const added = modulate?.(taken, gatherRows(graph, weighted, into)) ?? taken;
  const sums = graph.node("Add", [weighted, graph.node("MatMul", [joins, added])]);
  const grown = graph.node("Add", [
    sizes ?? scalar(graph, 1),
    sizes === null
      ? graph.node("ReduceSum", [joins, graph.ints([2])])
      : graph.node("MatMul", [joins, gatherRows(graph, sizes, from)]),
  ]);
  const sizesAfter = gatherAt(graph, grown, kept);

  const places = placesWithout(graph, leaves);
  const stays = graph.node("Mul", [places, graph.node("Sub", [scalar(graph, 1), leaves])]);
  const joined = graph.node("MatMul", [leaving, gatherRows(graph, places, into)]);
  tracker.move(kept, graph.node("Add", [stays, joined]), before - count, sizesAfter);
  return graph.node("Div", [gatherAt(graph, sums, kept), sizesAfter]);
}

/** The `count` best pairs, the best first, as columns of numbers of rows. */
function matchPairs(
  graph: GraphBuilder,
  rows: number,
  { count, keys, heads, classToken }: PairMerge,
): { readonly from: string; readonly into: string } {
  const first = classToken ? 2 : 0;
  const perHead = graph.node("Reshape", [keys, graph.ints([0, rows, heads, -1])]);
  const mean = graph.node("ReduceMean", [perHead, graph.ints([2])], { keepdims: { int: 0 } });
  const unit = unitRows(graph, mean);
  const even = sliceRows(graph, unit, [first, rows], 2);
  const odd = sliceRows(graph, unit, [1, rows], 2);
  const [best, nearest] = largest(graph, productTransposed(graph, even, odd, 3), 1, 2);
  const chosen = largest(graph, best, count)[1];
  const candidates = numbersAt(graph, nearest, Math.floor(rows / 2), 1, 2);
  return {
    from: numbersAt(graph, chosen, Math.ceil((rows - first) / 2), first, 2),
    into: gatherAt(graph, candidates, chosen),
  };
}
