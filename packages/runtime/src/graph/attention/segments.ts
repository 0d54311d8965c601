import { cap } from "../cap.ts";
import type { GraphBuilder } from "../graph-builder.ts";
import { productTransposed } from "../product.ts";

/** Rows that queries attend to, and what is added to their scores. */
export interface Segment {
  /** `[kvHeads, 1, n, headDim]`, rotated. */
  readonly key: string;
  /** Of the same shape. */
  readonly value: string;
  /** Broadcast to `[kvHeads, 1, s * group, n]`; null where nothing is masked. */
  readonly bias: string | null;
}

/** What the queries of a layer can attend to. */
export interface LayerSegments {
  readonly layer: number;
  /** `[kvHeads, 1, s * group, headDim]`, rotated; by new row, then by query head of the group. */
  readonly queries: string;
  /** The cache. */
  readonly past: Segment;
  /** The new rows. */
  readonly block: Segment;
  /** Rows of both, int64 `[2]`. */
  readonly lengths: string;
  readonly scale: number;
  /** Scores are capped here; null: they are not. */
  readonly limit: number | null;
}

/** Adds the attention of one layer; returns `[kvHeads, 1, s * group, headDim]`. */
export type SegmentAttention = (segments: LayerSegments) => string;

/** One softmax over both segments. */
export function attendAll(graph: GraphBuilder, segments: LayerSegments): string {
  return attendWithScores(graph, segments).attended;
}

/** What attention computes on its way, `[kvHeads, 1, s * group, n]` each. */
export interface Attended {
  /** `[kvHeads, 1, s * group, headDim]`. */
  readonly attended: string;
  /** Masked scores of the cache. */
  readonly pastScores: string;
  /** The same of cache and block. */
  readonly scores: string;
  /** Their softmax. */
  readonly weights: string;
}

/** The same, with what leads there, and with weights that are changed before they are used. */
export function attendWithScores(
  graph: GraphBuilder,
  segments: LayerSegments,
  change: (weights: string) => string = (weights) => weights,
): Attended {
  const { past, block, lengths } = segments;
  const axis = { axis: { int: 3 } };
  const pastScores = maskedScores(graph, segments, past);
  const blockScores = maskedScores(graph, segments, block);
  const scores = graph.node("Concat", [pastScores, blockScores], axis);
  const weights = change(graph.node("Softmax", [scores], axis));
  const [ofPast, ofBlock] = graph.nodes("Split", [weights, lengths], 2, axis);
  const attended = graph.node("Add", [
    graph.node("MatMul", [ofPast!, past.value]),
    graph.node("MatMul", [ofBlock!, block.value]),
  ]);
  return { attended, pastScores, scores, weights };
}

/** The same segments with other rows of the cache, all of which are attended to. */
export function withPast(
  graph: GraphBuilder,
  segments: LayerSegments,
  key: string,
  value: string,
): LayerSegments {
  const rows = [key, segments.block.key].map((keys) => rowsOf(graph, keys));
  const lengths = graph.node("Concat", rows, { axis: { int: 0 } });
  return { ...segments, past: { key, value, bias: null }, lengths };
}

/** Scaled dot products, `[kvHeads, 1, rows, keys]`. */
export function products(
  graph: GraphBuilder,
  queries: string,
  keys: string,
  scale: number,
): string {
  return productTransposed(graph, queries, keys, 4, scale);
}

function maskedScores(
  graph: GraphBuilder,
  { queries, scale, limit }: LayerSegments,
  { key, bias }: Segment,
): string {
  const uncapped = products(graph, queries, key, scale);
  const scores = limit === null ? uncapped : cap(graph, uncapped, limit);
  return bias === null ? scores : graph.node("Add", [scores, bias]);
}

/** Number of rows of a segment's keys, int64 `[1]`. */
function rowsOf(graph: GraphBuilder, keys: string): string {
  return graph.node("Shape", [keys], { start: { int: 2 }, end: { int: 3 } });
}
