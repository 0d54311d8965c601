import { GraphBuilder } from "./graph-builder.ts";

/** The smallest model, one number in and out: a session of it shows that a device works. */
export function buildProbe(): Uint8Array {
  const graph = new GraphBuilder();
  const x = graph.input("x", "float32", [1]);
  graph.output("y", graph.node("Add", [x, x]), "float32", [1]);
  return graph.finish("probe");
}
