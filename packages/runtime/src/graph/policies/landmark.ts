import { InferenceError, type LandmarkPolicy } from "@frugal/core";

import type { ModelConfig } from "../../load/model-config.ts";
import {
  attendAll,
  type LayerSegments,
  products,
  type SegmentAttention,
} from "../attention/segments.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { masked } from "../../sequence/kv-store.ts";
import { addPages } from "./pages.ts";
import { largest, policyInputs } from "./policy-inputs.ts";

/**
 * `landmarkAttention` of `@frugal/kv-cache` inside the graph: in every step that has an earlier
 * block, of which it attends to as many as the host says, up to all of them.
 *
 * Inputs beside the shared ones: `landmark_rows` int64 `[blocks]`, the slots of the landmarks;
 * `section_pads` int64 `[8]`, which widen the block's mask by the cached rows of the query's own
 * block. (As a segment of its own these would be of no rows at times, which WebGPU cannot multiply.)
 *
 * @throws {@link InferenceError} `unsupported` for blocks that a tree of a few tokens does not fit.
 */
export function lowerLandmark(
  graph: GraphBuilder,
  config: ModelConfig,
  { blockSize }: LandmarkPolicy,
): SegmentAttention {
  const { kvHeads } = config;
  if (blockSize < 8) {
    throw new InferenceError(
      "unsupported",
      `attention: landmark: expected blocks of at least 8 tokens, got ${blockSize}`,
    );
  }
  const sparse = policyInputs.sparse(graph);
  const count = policyInputs.count(graph);
  const bias = policyInputs.bias(graph);
  const landmarks = graph.input("landmark_rows", "int64", ["candidates"]);
  const sectionPads = graph.input("section_pads", "int64", [8]);
  const pages = addPages(graph, config, blockSize);
  // A landmark of an earlier block has no weight of its own.
  const none = new Float32Array(blockSize).fill(masked, blockSize - 1);
  const withoutLandmark = graph.floats("without_landmark", none, [blockSize]);

  /** Blocks by the largest weight that a query gives their landmarks, int64 `[kvHeads, 1, p, 1]`. */
  const choose = ({ queries, past, scale }: LayerSegments): string => {
    const keys = graph.node("Gather", [past.key, landmarks], { axis: { int: 2 } });
    const scores = products(graph, queries, keys, scale);
    const weights = graph.node("Softmax", [scores], { axis: { int: 3 } });
    const worth = graph.node("ReduceMax", [weights, graph.ints([2])], { keepdims: { int: 0 } });
    return largest(graph, graph.node("Add", [worth, bias]), count);
  };

  /** `[kvHeads, 1, rows, p * blockSize]` -> `[kvHeads, rows, p, blockSize]`. */
  const byBlock = (scores: string): string => {
    const shape = [graph.ints([kvHeads, -1]), count, graph.ints([blockSize])];
    return graph.node("Reshape", [scores, graph.node("Concat", shape, { axis: { int: 0 } })]);
  };

  /** The grouped softmax; returns `[kvHeads, 1, s * group, headDim]`. */
  const attend = (segments: LayerSegments): string => {
    const { queries, past, block, scale } = segments;
    const chosen = choose(segments);
    const scores = byBlock(products(graph, queries, pages.gather(past.key, chosen), scale));
    const ordinary = graph.node("Add", [scores, withoutLandmark]);
    const landmark = graph.node("Gather", [scores, graph.ints([blockSize - 1])], {
      axis: { int: 3 },
    });
    // The rows of the query's own block, cached and new, as one section.
    const section = (side: "key" | "value"): string =>
      graph.node("Concat", [pages.rest(past[side]), block[side]], { axis: { int: 2 } });
    const mask = graph.node("Pad", [block.bias!, sectionPads]);
    const own = graph.node("Add", [products(graph, queries, section("key"), scale), mask]);
    const parts = [landmark, own].map((part, i) =>
      graph.node("Squeeze", [part, graph.ints([i === 0 ? 3 : 1])]),
    );
    const lengths = parts.map((part) =>
      graph.node("Shape", [part], { start: { int: 2 }, end: { int: 3 } }),
    );
    const axis = { axis: { int: 2 } };
    const weights = graph.node("Softmax", [graph.node("Concat", parts, axis)], axis);
    const split = graph.node("Concat", lengths, { axis: { int: 0 } });
    const [handed, ofSection] = graph.nodes("Split", [weights, split], 2, axis);
    const inBlock = graph.node("Softmax", [ordinary], { axis: { int: 3 } });
    const shared = graph.node("Mul", [
      inBlock,
      graph.node("Unsqueeze", [handed!, graph.ints([3])]),
    ]);
    const ofPast = graph.node("Reshape", [shared, graph.ints([0, 0, -1])]);
    const [a, b] = [
      [ofPast, pages.gather(past.value, chosen)],
      [ofSection!, section("value")],
    ].map(([ofPart, values]) =>
      graph.node("MatMul", [graph.node("Unsqueeze", [ofPart!, graph.ints([1])]), values!]),
    );
    return graph.node("Add", [a!, b!]);
  };

  return (segments) =>
    graph.branch(
      sparse,
      () => [attend(segments)],
      () => [attendAll(graph, segments)],
    )[0]!;
}
