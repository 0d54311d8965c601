import type { Tap } from "@frugal/core";

import type { GraphBuilder } from "../graph/graph-builder.ts";
import type { ResidualStream, StatePlace } from "./residual-stream.ts";

/** Name of the output that {@link addTaps} adds for a tap. */
export function tapName(tap: Tap): string {
  return `frugal.hidden.${tap}`;
}

/**
 * Adds the hidden states as outputs, float32 `[rows, hiddenSize]` whatever the model computes in.
 *
 * Cost: a copy of them at every step, because ONNX Runtime computes what is not fetched, too.
 */
export function addTaps(
  graph: GraphBuilder,
  { states, final }: ResidualStream,
  hiddenSize: number,
): void {
  const add = (tap: Tap, place: StatePlace): void => {
    const state = place.reduce((sum, value) => graph.node("Add", [sum, value]));
    const rows = graph.node("Reshape", [state, graph.ints([-1, hiddenSize])]);
    const wide = graph.node("Cast", [rows], { to: { int: 1 } });
    graph.output(tapName(tap), wide, "float32", ["tap_rows", hiddenSize]);
  };
  for (const [layer, place] of states.entries()) add(layer, place);
  add("final", [final]);
}
