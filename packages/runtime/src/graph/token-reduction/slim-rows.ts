import { InferenceError } from "@frugal/core";

import type { Norm } from "../../load/model-config.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { activate } from "../activation.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { matrix, project } from "../linear.ts";
import { normalize } from "../norm.ts";

/** Rows `[n, count, width]` become `count` mixtures of them. */
export interface Slimming {
  /** How many, as the checkpoint says. */
  readonly count: number;
  /** Adds the nodes; returns `[n, count, width]`. */
  readonly add: (rows: string) => string;
}

/**
 * `slimRows` in a graph, from the tensors with this prefix, `"tsm.0"` for instance.
 *
 * @throws {@link InferenceError} `format` or `shape` for a tensor that is missing or does not fit.
 */
export function slimming(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  prefix: string,
  width: number,
): Slimming {
  const sizeOf = (name: string): number => {
    const rows = checkpoint.weights.get(`${prefix}.${name}.weight`)?.shape[0];
    if (rows !== undefined) return rows;
    throw new InferenceError("format", `${prefix}.${name}.weight: missing from the checkpoint`);
  };
  const [inner, count] = [sizeOf("weight.1"), sizeOf("weight.3")];
  const linear = (name: string, inputs: number, outputs: number) => [
    { name: `${prefix}.${name}`, inputs, outputs, bias: true },
  ];
  const norm: Norm = { kind: "layer", epsilon: 1e-5, plusOne: false };
  return {
    count,
    add(rows) {
      const normal = normalize(graph, checkpoint, `${prefix}.weight.0`, width, norm, rows);
      const [wide] = project(graph, checkpoint, normal, linear("weight.1", width, inner));
      const active = activate(graph, "gelu", wide!);
      const [scores] = project(graph, checkpoint, active, linear("weight.3", inner, count));
      const scale = matrix(graph, checkpoint, `${prefix}.scale`, [1, 1, 1]);
      const shares = graph.node("Softmax", [graph.node("Mul", [scores!, scale])], {
        axis: { int: 1 },
      });
      const transposed = graph.node("Transpose", [shares], { perm: { ints: [0, 2, 1] } });
      return graph.node("MatMul", [transposed, rows]);
    },
  };
}
