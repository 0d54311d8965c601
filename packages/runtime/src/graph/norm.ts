import type { Norm } from "../load/model-config.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import { vector } from "./linear.ts";

/**
 * The residual stream between two sublayers: `hidden + update`. The sum is left to the norm that
 * reads it, which has to touch every value anyway.
 */
export interface Stream {
  readonly hidden: string;
  readonly update: string | null;
}

/** Normalizes the last dimension, of `width` values. */
export function normalize(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  name: string,
  width: number,
  norm: Norm,
  rows: string,
): string {
  const weights = normWeights(graph, checkpoint, name, width, norm);
  const type = norm.kind === "rms" ? "SimplifiedLayerNormalization" : "LayerNormalization";
  const attributes = { axis: { int: -1 }, epsilon: { float: norm.epsilon } };
  return graph.node(type, [rows, ...weights], attributes);
}

/** Normalizes the stream's sum; gives that sum too. */
export function normalizeStream(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  name: string,
  width: number,
  norm: Norm,
  { hidden, update }: Stream,
): { readonly normalized: string; readonly sum: string } {
  if (update === null) {
    return { normalized: normalize(graph, checkpoint, name, width, norm, hidden), sum: hidden };
  }
  const weights = normWeights(graph, checkpoint, name, width, norm);
  const type = norm.kind === "rms" ? "SkipSimplifiedLayerNormalization" : "SkipLayerNormalization";
  const [normalized, , , sum] = graph.nodes(type, [hidden, update, ...weights], 4, {
    epsilon: { float: norm.epsilon },
  });
  return { normalized: normalized!, sum: sum! };
}

/** Scale, and bias of a layer norm. ONNX Runtime folds the addition when it loads the model. */
function normWeights(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  name: string,
  width: number,
  { kind, plusOne }: Norm,
): readonly string[] {
  const stored = vector(graph, checkpoint, `${name}.weight`, width);
  const scale = plusOne
    ? graph.node("Add", [stored, graph.floats("one", Float32Array.of(1), [1])])
    : stored;
  return kind === "rms" ? [scale] : [scale, vector(graph, checkpoint, `${name}.bias`, width)];
}
