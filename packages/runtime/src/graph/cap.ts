import type { GraphBuilder } from "./graph-builder.ts";

/** `limit * tanh(x / limit)`: nearly `x` where it is small, never beyond the limit. */
export function cap(graph: GraphBuilder, x: string, limit: number): string {
  const factor = graph.floats(`scale:${limit}`, Float32Array.of(limit), []);
  const bounded = graph.node("Tanh", [graph.node("Div", [x, factor])]);
  return graph.node("Mul", [bounded, factor]);
}
