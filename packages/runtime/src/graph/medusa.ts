import type { Projection } from "../architectures/projections.ts";
import type { MedusaConfig } from "../load/medusa-config.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { GraphBuilder } from "./graph-builder.ts";
import { project } from "./linear.ts";
import { addTop } from "./logits.ts";

/**
 * Builds the ONNX graph of Medusa heads over a checkpoint's own bytes.
 *
 * Head `k` is `blocks` times `x + SiLU(W x + b)` and a projection to the vocabulary. Inputs: `state`
 * `[1, hidden]` and `top_k` int64 `[1]`. Outputs: those of the reduction, a row per head.
 *
 * @throws {@link InferenceError} `format` or `shape` if a tensor is missing or does not fit.
 * @see FasterDecoding/Medusa: medusa/model/medusa_model.py
 */
export function buildMedusa(config: MedusaConfig, checkpoint: Checkpoint): Uint8Array {
  const graph = new GraphBuilder();
  const { heads, blocks, hiddenSize, vocabSize, sharedHead } = config;
  const state = graph.input("state", "float32", [1, hiddenSize]);
  const linear = (name: string, outputs: number, bias: boolean): Projection => ({
    name,
    inputs: hiddenSize,
    outputs,
    bias,
  });
  const through = (x: string, projection: Projection): string =>
    project(graph, checkpoint, x, [projection])[0]!;
  const rows = (parts: readonly string[]): string =>
    parts.length === 1 ? parts[0]! : graph.node("Concat", parts, { axis: { int: 0 } });

  const states = Array.from({ length: heads }, (_, head) => {
    let x = state;
    for (let block = 0; block < blocks; block++) {
      const y = through(x, linear(`${head}.${block}.linear`, hiddenSize, true));
      // y * sigmoid(y): SiLU.
      const activated = graph.node("QuickGelu", [y], { alpha: { float: 1 } });
      x = graph.node("Add", [x, activated]);
    }
    return x;
  });
  const logits =
    sharedHead === null
      ? rows(states.map((x, head) => through(x, linear(`${head}.${blocks}`, vocabSize, false))))
      : through(rows(states), linear(sharedHead, vocabSize, false));
  addTop(graph, logits);
  return graph.finish("medusa");
}
