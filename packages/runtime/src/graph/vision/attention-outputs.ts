import { classAttention, type LayerProjections } from "../token-reduction/class-attention.ts";
import type { EncoderParts } from "./encoder-parts.ts";

/** A layer and what its attention is computed from. */
export interface AttendedLayer {
  readonly layer: number;
  readonly rows: number | string;
  readonly projections: LayerProjections;
}

/**
 * Adds what selections of visual tokens look at: `keys.{l}` `[n, rows, headDim]`, the keys of a layer,
 * averaged over heads; and where there is a class token `class_attention.{l}` `[n, rows - 1]`, how much
 * it attends to each other row, averaged over heads, and `class_attention`, the same averaged over
 * layers, if all of them have the same rows.
 */
export function addAttention(
  { graph, config, reduction }: EncoderParts,
  layers: readonly AttendedLayer[],
): void {
  const { heads, hiddenSize, names } = config;
  for (const { layer, rows, projections } of layers) {
    const perHead = graph.ints([0, 0, heads, hiddenSize / heads]);
    const split = graph.node("Reshape", [projections.keys, perHead]);
    const mean = graph.node("ReduceMean", [split, graph.ints([2])], { keepdims: { int: 0 } });
    graph.output(`keys.${layer}`, mean, "float32", ["n", rows, hiddenSize / heads]);
  }
  if (names.classToken === null) return;
  const scores = layers.map(({ projections }) =>
    graph.node("Squeeze", [classAttention(graph, projections, heads, hiddenSize), graph.ints([2])]),
  );
  const dims = (rows: number | string) => ["n", typeof rows === "number" ? rows - 1 : "others"];
  for (const [i, { layer, rows }] of layers.entries()) {
    graph.output(`class_attention.${layer}`, scores[i]!, "float32", dims(rows));
  }
  if (reduction !== null) return;
  const mean = graph.node("Mean", scores);
  graph.output("class_attention", mean, "float32", dims(layers[0]!.rows));
}
