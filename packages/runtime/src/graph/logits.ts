import { headProjection, type Projection } from "../architectures/projections.ts";
import type { ModelConfig } from "../load/model-config.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { cap } from "./cap.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import { project } from "./linear.ts";

/**
 * Adds the head: logits of the chosen rows of `hidden`, normalized already, and their reduction.
 *
 * Inputs: `logit_rows` int32 `[r]`, the rows of the block to compute logits for (at least one),
 * `top_extent` int64 `[2]`, how many of those rows and how many ids of each the reduction reads,
 * and `top_k` int64 `[1]`. Outputs: `logits` `[r, vocab]`; `top_values` and `top_ids`
 * `[rows, k]` by descending value, ties by ascending id; `log_sum_exp` `[rows]`.
 *
 * ONNX Runtime computes every output of a graph, fetched or not, so a step that wants no reduction
 * passes the extent `[1, 1]`, which costs nothing. (Extents of 0 would be the natural way to say
 * so; TopK on the CPU divides by them.)
 */
export function addLogits(
  graph: GraphBuilder,
  config: ModelConfig,
  checkpoint: Checkpoint,
  hidden: string,
): void {
  const rows = graph.input("logit_rows", "int32", ["r"]);
  const gathered = graph.node("Gather", [hidden, rows], { axis: { int: 1 } });
  const chosen = graph.node("Reshape", [gathered, graph.ints([-1, config.hiddenSize])]);
  const head = storedHead(config, checkpoint);
  const [scores] = project(graph, checkpoint, chosen, [head], 2);
  const logits = config.logitCap === null ? scores! : cap(graph, scores!, config.logitCap);
  graph.output("logits", logits, "float32", ["r", head.outputs]);

  const extent = graph.input("top_extent", "int64", [2]);
  addTop(graph, graph.node("Slice", [logits, graph.ints([0, 0]), extent, graph.ints([0, 1])]));
}

/** Adds the reduction of rows of logits, by the input `top_k`; outputs as of {@link addLogits}. */
export function addTop(graph: GraphBuilder, logits: string): void {
  const k = graph.input("top_k", "int64", [1]);
  const [values, ids] =
    graph.operators === "cpu" ? topK(graph, logits, k) : topOrBest(graph, logits, k);
  graph.output("top_values", values!, "float32", ["top_rows", "k"]);
  graph.output("top_ids", ids!, "int64", ["top_rows", "k"]);
  const lse = logSumExp(graph, logits);
  graph.output("log_sum_exp", lse, "float32", ["top_rows"]);
}

function topK(graph: GraphBuilder, logits: string, k: string): readonly string[] {
  return graph.nodes("TopK", [logits, k], 2, { axis: { int: 1 } });
}

/**
 * The same, by the two reductions that it is where `k` is 1: WebGPU sorts whole rows for TopK, in some
 * hundred launches of a kernel.
 */
function topOrBest(graph: GraphBuilder, logits: string, k: string): readonly string[] {
  return graph.branch(
    graph.node("Equal", [k, graph.ints([1])]),
    () => [
      graph.node("ReduceMax", [logits, graph.ints([1])], { keepdims: { int: 1 } }),
      graph.node("ArgMax", [logits], { axis: { int: 1 }, keepdims: { int: 1 } }),
    ],
    () => topK(graph, logits, k),
  );
}

/**
 * Log-sum-exp of every row: `max - log(max softmax)`, since the largest probability is one over the
 * sum of the shifted exponentials. (`ReduceLogSumExp` says the same with scalar exponentials on the CPU;
 * those of `Softmax` are vectorised.)
 */
function logSumExp(graph: GraphBuilder, rows: string): string {
  const largest = (values: string): string =>
    graph.node("ReduceMax", [values, graph.ints([1])], { keepdims: { int: 0 } });
  const probability = largest(graph.node("Softmax", [rows], { axis: { int: 1 } }));
  return graph.node("Sub", [largest(rows), graph.node("Log", [probability])]);
}

/** A quantized checkpoint stores the tied head apart, because the table itself stays as it is. */
function storedHead(config: ModelConfig, { weights }: Checkpoint): Projection {
  const head = headProjection(config);
  const { head: name } = config.names;
  return weights.has(`${name}.weight.quantized`) ? { ...head, name } : head;
}
