import type { VisionConfig } from "../../load/vision-config.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import type { RowOrigin } from "../token-reduction/row-tracker.ts";

/** Rows at a place in an encoder. */
export interface RowsAt {
  readonly value: string;
  readonly dims: readonly (number | string)[];
  readonly origin: RowOrigin | null;
}

/** The hidden state whose rows an output has. */
export function tapOf({ layers, projector }: VisionConfig, output = "hidden.final"): number {
  if (output === "features") {
    const read = projector?.reads[0] ?? "final";
    return read === "final" ? layers : read;
  }
  const tap = /^(?:hidden|keys|class_attention)\.(\d+)$/.exec(output)?.[1];
  return tap === undefined ? layers : Number(tap);
}

/** Adds what the rows stand for, where any were merged or left out; returns the outputs' names. */
export function addOrigin(graph: GraphBuilder, rows: RowsAt | null): readonly string[] {
  if (rows?.origin === null || rows === null) return [];
  const { keep, source, sizes } = rows.origin;
  const flat = (column: string): string => graph.node("Squeeze", [column, graph.ints([2])]);
  const whole = (column: string): string => graph.node("Cast", [flat(column)], { to: { int: 6 } });
  graph.output("keep", whole(keep), "int32", rows.dims.slice(0, 2));
  graph.output("source", whole(source), "int32", ["n", "entered"]);
  graph.output("sizes", flat(sizes), "float32", rows.dims.slice(0, 2));
  return ["keep", "source", "sizes"];
}
