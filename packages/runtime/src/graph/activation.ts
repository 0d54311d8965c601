import type { Activation } from "../load/model-config.ts";
import type { GraphBuilder } from "./graph-builder.ts";

/** Applies the nonlinearity of an MLP. */
export function activate(graph: GraphBuilder, activation: Activation, x: string): string {
  // x * sigmoid(alpha * x): SiLU with 1.
  if (activation === "silu") return graph.node("QuickGelu", [x], { alpha: { float: 1 } });
  if (activation === "quick-gelu") return graph.node("QuickGelu", [x], { alpha: { float: 1.702 } });
  const approximate = activation === "gelu-tanh" ? "tanh" : "none";
  return graph.node("Gelu", [x], { approximate: { string: approximate } });
}
