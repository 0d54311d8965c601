import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Norm } from "../../load/model-config.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { matrix } from "../linear.ts";
import { normalize } from "../norm.ts";
import { scalar } from "./rows.ts";

/**
 * `modulateRows` in a graph: the change of rows before they are merged, from the tensors of a layer
 * with this prefix.
 *
 * @throws {@link InferenceError} `format` or `shape` for a tensor that is missing or does not fit.
 */
export function modulator(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  prefix: string,
  width: number,
  count: number,
): (from: string, into: string) => string {
  // PyTorch's default, which the reference leaves as it is.
  const norm: Norm = { kind: "layer", epsilon: 1e-5, plusOne: false };
  return (from, into) => {
    const sums = graph.node("Add", [from, into]);
    const normal = normalize(graph, checkpoint, `${prefix}.pyra_norm`, width, norm, sums);
    const byRow = matrix(graph, checkpoint, `${prefix}.pyra_a`, [count, 1]);
    const byColumn = matrix(graph, checkpoint, `${prefix}.pyra_b`, [1, width]);
    const twice = (value: string): string =>
      graph.node("Mul", [graph.node("Sigmoid", [value]), scalar(graph, 2)]);
    const transposed = (value: string): string =>
      graph.node("Transpose", [value], { perm: { ints: [1, 0] } });
    const columns = twice(graph.node("MatMul", [transposed(byRow), normal]));
    const rows = graph.node("Sub", [
      twice(graph.node("MatMul", [normal, transposed(byColumn)])),
      scalar(graph, 1),
    ]);
    const change = graph.node("Mul", [graph.node("Mul", [from, columns]), rows]);
    return graph.node("Add", [from, change]);
  };
}
