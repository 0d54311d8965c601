import { type ImageEffort, InferenceError } from "@frugal/core";

import type { ModelConfig } from "../load/model-config.ts";
import type { LayerAttention } from "./attention/attention-profile.ts";
import { addSegmented } from "./attention/segmented.ts";
import { attendAll, attendWithScores, type SegmentAttention } from "./attention/segments.ts";
import type { GraphBuilder } from "./graph-builder.ts";

/** What layers do less for rows of images, as parts of a graph. */
export interface LoweredEffort {
  readonly attention: LayerAttention;
  /** What a sublayer adds to the stream, `[1, s, hidden]`, where it is not skipped. */
  update(layer: number, part: "attention" | "mlp", update: string): string;
  /** The inner values of the MLP, `[1, s, intermediate]`, of the channels that serve a row. */
  gate(layer: number, gated: string): string;
}

/**
 * Declares the inputs of an effort. With rows ordered as in {@link segmentedAttention}: where heads or
 * channels are spared `image_rows` float32 `[1, s, 1]`; for heads `image_lines` `[1, 1, s * group, 1]` and
 * `image_columns` `[1, 1, 1, capacity + s]`; all of them 1 for images and 0 else. Where layers are skipped
 * `skipped` bool `[1, s, 1]`. A reach is part of the block's mask.
 *
 * @throws {@link InferenceError} `unsupported` for a skipped block whose keys are rotated unlike those of
 *   the layer before; `range` for one that has none before it.
 */
export function lowerEffort(
  graph: GraphBuilder,
  config: ModelConfig,
  effort: ImageEffort,
  from: number,
): LoweredEffort {
  const { heads, channels, skips } = effort;
  const rows = channels && graph.input("image_rows", "float32", [1, "s", 1]);
  const skipped = skips && graph.input("skipped", "bool", [1, "s", 1]);
  const isSkipped = (layer: number, part: "attention" | "mlp"): boolean =>
    skips !== undefined &&
    skips.layers.includes(layer) &&
    (skips.part === part || skips.part === "block");
  const attend = heads === undefined ? attendAll : blindHeads(graph, config, heads);
  const zero = graph.floats("no update", Float32Array.of(0), []);
  const reuse =
    skips?.part === "block" ? reuseRows(graph, config, skips.layers, skipped!, from) : undefined;
  return {
    attention: addSegmented(graph, config, (segments) => attend(graph, segments), reuse),
    update(layer, part, update) {
      return isSkipped(layer, part) ? graph.node("Where", [skipped!, zero, update]) : update;
    },
    gate(layer, gated) {
      const { intermediateSize: size } = config;
      const used = channels === undefined ? size : channels[layer]!;
      if (used >= size) return gated;
      const idle = Float32Array.from({ length: size }, (_, i) => (i < used ? 0 : 1));
      const dead = graph.floats(`idle:${used}`, idle, [1, 1, size]);
      return keepUnless(graph, gated, rows!, dead);
    },
  };
}

/** `x - x a b`, where `a` and `b` are 0 or 1. */
function keepUnless(graph: GraphBuilder, x: string, a: string, b: string): string {
  return graph.node("Sub", [x, graph.node("Mul", [x, graph.node("Mul", [a, b])])]);
}

/** Attention whose blind heads neither read rows of images nor write to them. */
function blindHeads(
  graph: GraphBuilder,
  { heads: count, kvHeads }: ModelConfig,
  heads: readonly Uint8Array[],
): (graph: GraphBuilder, segments: Parameters<SegmentAttention>[0]) => string {
  const group = count / kvHeads;
  const lines = graph.input("image_lines", "float32", [1, 1, "s * group", 1]);
  const columns = graph.input("image_columns", "float32", [1, 1, 1, "n"]);
  const size = graph.node("Shape", [lines], { start: { int: 2 }, end: { int: 3 } });
  const times = graph.node("Div", [size, graph.ints([group])]);
  const repeats = graph.node("Concat", [graph.ints([1, 1]), times, graph.ints([1])], {
    axis: { int: 0 },
  });
  return (_, segments) => {
    const sees = heads[segments.layer]!;
    if (sees.every((head) => head === 1)) return attendAll(graph, segments);
    const blind = Float32Array.from(sees, (head) => 1 - head);
    const perHead = graph.floats(`blind:${blind.join("")}`, blind, [kvHeads, 1, group, 1]);
    const perLine = graph.node("Tile", [perHead, repeats]);
    const { attended } = attendWithScores(graph, segments, (weights) =>
      keepUnless(graph, weights, perLine, columns),
    );
    return keepUnless(graph, attended, perLine, lines);
  };
}

/** What skipped blocks cache: of skipped rows the keys or values of the layer before. */
function reuseRows(
  graph: GraphBuilder,
  config: ModelConfig,
  layers: readonly number[],
  skipped: string,
  from: number,
): (layer: number, side: "key" | "value", rows: string) => string {
  const chosen = graph.node("Unsqueeze", [skipped, graph.ints([0])]);
  const before = { key: "", value: "" };
  return (layer, side, rows) => {
    const own = before[side];
    before[side] = rows;
    if (!layers.includes(layer)) return rows;
    if (layer === from) {
      throw new InferenceError("range", `skips: expected a layer before ${layer}, got none`);
    }
    if (config.layerKinds[layer] !== config.layerKinds[layer - 1]) {
      throw new InferenceError(
        "unsupported",
        `skips: layer ${layer} rotates unlike the one before`,
      );
    }
    before[side] = graph.node("Where", [chosen, own, rows]);
    return before[side];
  };
}
