import type { GraphBuilder } from "../graph/graph-builder.ts";
import type { DecoderSignature } from "./decoder-signature.ts";

/** Names of the inputs and outputs that {@link addReducedLogits} adds. */
export const reduced = {
  extent: "frugal.top_extent",
  k: "frugal.top_k",
  values: "frugal.top_values",
  ids: "frugal.top_ids",
  logSumExp: "frugal.log_sum_exp",
} as const;

/**
 * Adds outputs with the `k` largest logits of every row and their log-sum-exp.
 *
 * As in {@link addLogits} the step that wants no reduction passes an extent of `[1, 1]`. Operators
 * whose axes moved from attributes to inputs between versions are avoided: maxima are the first of
 * a `TopK` of one.
 *
 * @param vocabSize columns of the logits
 */
export function addReducedLogits(
  graph: GraphBuilder,
  { logits }: DecoderSignature,
  vocabSize: number,
): void {
  const extent = graph.input(reduced.extent, "int64", [2]);
  const k = graph.input(reduced.k, "int64", [1]);
  const wide =
    logits.type === "float32" ? logits.name : graph.node("Cast", [logits.name], { to: { int: 1 } });
  const rows = graph.node("Reshape", [wide, graph.ints([-1, vocabSize])]);
  const part = graph.node("Slice", [rows, graph.ints([0, 0]), extent, graph.ints([0, 1])]);
  const [values, ids] = graph.nodes("TopK", [part, k], 2, { axis: { int: 1 } });
  graph.output(reduced.values, values!, "float32", ["top_rows", "k"]);
  graph.output(reduced.ids, ids!, "int64", ["top_rows", "k"]);

  const largest = (of: string): string => {
    const [first] = graph.nodes("TopK", [of, graph.ints([1])], 2, { axis: { int: 1 } });
    return graph.node("Reshape", [first!, graph.ints([-1])]);
  };
  const probability = largest(graph.node("Softmax", [part], { axis: { int: 1 } }));
  const sum = graph.node("Sub", [largest(part), graph.node("Log", [probability])]);
  graph.output(reduced.logSumExp, sum, "float32", ["top_rows"]);
}
