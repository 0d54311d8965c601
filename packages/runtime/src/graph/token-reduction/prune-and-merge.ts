import type { GraphBuilder } from "../graph-builder.ts";
import { productTransposed } from "../product.ts";
import type { RowTracker } from "./row-tracker.ts";
import {
  counting,
  gatherRows,
  largest,
  membership,
  numbersAt,
  scalar,
  sliceRows,
  unitRows,
} from "./rows.ts";

/** How many rows a step leaves, the class token's included. */
export interface Counts {
  /** After pruning; at most the number there is. */
  readonly pruned: number;
  /** After merging; at most as many. */
  readonly merged: number;
}

/**
 * `pruneAndMerge` in a graph: of the rows `[n, rows, d]` those are left out that have the least
 * `importance` `[n, rows - 1, 1]`, the class token's row apart; of those that stay, the least
 * important ones join the one they resemble most. Returns `[n, merged, d]`.
 */
export function pruneAndMerge(
  graph: GraphBuilder,
  tracker: RowTracker,
  rows: string,
  importance: string,
  { pruned, merged }: Counts,
): string {
  const before = tracker.count;
  const ranking = largest(graph, importance, pruned - 1)[1];
  const ranked = numbersAt(graph, ranking, before - 1, 1);
  const kept = behindClassToken(graph, sliceRows(graph, ranked, [0, merged - 1]), merged - 1);
  const keptAt = graph.node("Cast", [kept], { to: { int: 7 } });
  const into = gatherRows(graph, rows, kept);
  const intoSizes = sizesOf(graph, tracker, kept, merged);
  // Places are counted from 1 until the end, so that rows without one come out as -1.
  const stays = graph.node("MatMul", [
    membership(graph, before, kept, merged),
    counting(graph, [merged, 1], 1),
  ]);
  const fromOne = (places: string): string => graph.node("Sub", [places, scalar(graph, 1)]);
  if (pruned === merged) {
    tracker.move(keptAt, fromOne(stays), merged, intoSizes);
    return into;
  }

  const leaving = sliceRows(graph, ranked, [merged - 1, pruned - 1]);
  const from = gatherRows(graph, rows, leaving);
  // The class token takes no row up.
  const open = unitRows(graph, sliceRows(graph, into, [1, merged]));
  const products = productTransposed(graph, unitRows(graph, from), open, 3);
  const [similarity, nearest] = largest(graph, products, 1, 2);
  const places = numbersAt(graph, nearest, merged - 1, 1);
  const joins = membership(graph, merged, places, pruned - merged);
  const sums = graph.node("Add", [into, graph.node("MatMul", [joins, from])]);
  const joining = graph.node("ReduceSum", [joins, graph.ints([2])]);

  const weights = graph.node("Mul", [
    sizesOf(graph, tracker, leaving, pruned - merged),
    graph.node("Relu", [similarity]),
  ]);
  const sizes = graph.node("Add", [intoSizes, graph.node("MatMul", [joins, weights])]);
  const moves = graph.node("MatMul", [
    membership(graph, before, leaving, pruned - merged),
    graph.node("Add", [places, scalar(graph, 1)]),
  ]);
  tracker.move(keptAt, fromOne(graph.node("Add", [stays, moves])), merged, sizes);
  return graph.node("Div", [sums, graph.node("Add", [joining, scalar(graph, 1)])]);
}

/** Numbers of rows, ascending, behind 0: `[n, count + 1, 1]` of `[n, count, 1]`. */
function behindClassToken(graph: GraphBuilder, numbers: string, count: number): string {
  const [sorted] = largest(graph, graph.node("Neg", [numbers]), count);
  return graph.node("Pad", [graph.node("Neg", [sorted]), graph.ints([0, 1, 0, 0, 0, 0])]);
}

/** Sizes of rows, `[n, count, 1]`, or `[1, count, 1]` while all are 1. */
function sizesOf(
  graph: GraphBuilder,
  { sizes }: RowTracker,
  numbers: string,
  count: number,
): string {
  if (sizes !== null) return gatherRows(graph, sizes, numbers);
  return counting(graph, [1, count, 1], 1, 0);
}
