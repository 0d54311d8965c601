import type { GraphBuilder } from "../graph-builder.ts";
import { counting, gatherAt, gatherRows, largest, numbersAt, scalar } from "./rows.ts";

/** What rows stand for, as columns. */
export interface RowOrigin {
  /** The row at the entry whose place each one has, `[n, rows, 1]`. */
  readonly keep: string;
  /** Where each row of the entry went, -1: nowhere; `[n, entered, 1]`. */
  readonly source: string;
  /** How many rows each one counts as in attention, `[n, rows, 1]`. */
  readonly sizes: string;
}

/** What became of the rows of an encoder so far: how many are left, and what each stands for. */
export class RowTracker {
  readonly #graph: GraphBuilder;
  /** Rows now; a name where it is known only at run time. */
  rows: number | string;
  /** Null while all rows are there. */
  origin: RowOrigin | null = null;
  #bias: { readonly sizes: string; readonly value: string } | null = null;

  constructor(graph: GraphBuilder, rows: number) {
    this.#graph = graph;
    this.rows = rows;
  }

  /** How many rows each one counts as; null: 1 each. */
  get sizes(): string | null {
    return this.origin?.sizes ?? null;
  }

  /** How many rows there are, where that is known when the graph is built. */
  get count(): number {
    return this.rows as number;
  }

  /** What is added to the scores of attention, `[n, 1, rows, rows]`; null: nothing. */
  attentionBias(): string | null {
    if (this.sizes === null) return null;
    if (this.#bias?.sizes === this.sizes) return this.#bias.value;
    const graph = this.#graph;
    const perKey = graph.node("Reshape", [
      graph.node("Log", [this.sizes]),
      graph.ints([-1, 1, 1, this.count]),
    ]);
    const value = graph.node("Expand", [perKey, graph.ints([1, 1, this.count, this.count])]);
    this.#bias = { sizes: this.sizes, value };
    return value;
  }

  /**
   * Notes a step.
   *
   * @param kept the rows whose places are left, ascending, int64 `[n, count, 1]`
   * @param moved where each row goes, `[n, rows, 1]`; -1: nowhere
   * @param sizes how many rows each counts as then, `[n, count, 1]`
   */
  move(kept: string, moved: string, count: number, sizes: string): void {
    const graph = this.#graph;
    const { origin } = this;
    const keep =
      origin === null ? numbersAt(graph, kept, this.count) : gatherAt(graph, origin.keep, kept);
    const source = origin === null ? moved : this.#follow(origin.source, moved);
    this.origin = { keep, source, sizes };
    this.rows = count;
  }

  #follow(source: string, moved: string): string {
    const graph = this.#graph;
    const zero = scalar(graph, 0);
    const next = gatherRows(graph, moved, graph.node("Max", [source, zero]));
    return graph.node("Where", [graph.node("Less", [source, zero]), source, next]);
  }
}

/** Places of the rows that stay, where some are flagged 1 and leave: `[n, rows, 1]` of the same. */
export function placesWithout(graph: GraphBuilder, leaves: string): string {
  const stays = graph.node("Sub", [scalar(graph, 1), leaves]);
  const upTo = graph.node("CumSum", [stays, graph.ints([1], [])]);
  return graph.node("Sub", [upTo, scalar(graph, 1)]);
}

/** The `count` rows that are not flagged, ascending: int64 `[n, count, 1]` of flags `[n, rows, 1]`. */
export function rowsWithout(
  graph: GraphBuilder,
  leaves: string,
  rows: number,
  count: number,
): string {
  // All different, so that no rule for ties is relied on.
  const order = counting(graph, [1, rows, 1], rows, -1);
  const later = graph.node("Mul", [leaves, scalar(graph, 2 * rows)]);
  return largest(graph, graph.node("Sub", [order, later]), count)[1];
}
