import type { ModelConfig } from "../load/model-config.ts";
import { rotaryInputs } from "./attention/rotate.ts";
import type { LayerRange } from "./decoder.ts";
import { GraphBuilder } from "./graph-builder.ts";

/**
 * Builds the graph that makes a cache from rows of another one, on the device where both are: it
 * grows, copies, shortens and reorders, and turns keys to other positions.
 *
 * Inputs: `rows` int32 `[n]`, the slots to take; per layer `past.{l}.key` and `past.{l}.value`
 * `[1, kvHeads, capacity, headDim]`; per attention kind that rotates `cos.{k}` and `sin.{k}`
 * `[n, dim / 2]`, by how much each row is turned. Outputs: `present.{l}.key` and
 * `present.{l}.value` `[1, kvHeads, n, headDim]`.
 */
export function buildMoveRows(config: ModelConfig, { from, to }: LayerRange): Uint8Array {
  const { kvHeads, headDim } = config;
  const graph = new GraphBuilder("portable");
  const rows = graph.input("rows", "int32", ["n"]);
  const used = new Set(config.layerKinds.slice(from, to));
  const kinds = config.attentionKinds.map(({ rotary }, kind) =>
    used.has(kind) ? rotaryInputs(graph, rotary, kind) : null,
  );
  const axis = { axis: { int: 2 } };
  for (let layer = from; layer < to; layer++) {
    const [key, value] = ["key", "value"].map((side) => {
      const dims = [1, kvHeads, "capacity", headDim];
      const past = graph.input(`past.${layer}.${side}`, "float32", dims);
      return graph.node("Gather", [past, rows], axis);
    });
    const rotary = kinds[config.layerKinds[layer]!]!;
    const turned =
      rotary === null
        ? key!
        : graph.node("RotaryEmbedding", [key!, graph.ints([0]), rotary.cos, rotary.sin], {
            num_heads: { int: kvHeads },
            rotary_embedding_dim: { int: rotary.dim },
          });
    const dims = [1, kvHeads, "n", headDim];
    graph.output(`present.${layer}.key`, turned, "float32", dims);
    graph.output(`present.${layer}.value`, value!, "float32", dims);
  }
  return graph.finish("move-rows");
}
