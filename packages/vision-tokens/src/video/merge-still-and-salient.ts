import { type Matrix, topIndices } from "@frugal/core";

import { expectLength, expectNumber, expectNumbers } from "../expect.ts";
import {
  applyReduction,
  composeReductions,
  createReduction,
  type Reduction,
  type WeightedSum,
} from "../select/reduction.ts";
import { shareOut } from "../share-out.ts";
import { clusterGroup } from "./cluster-groups.ts";
import { stillSegments } from "./still-segments.ts";
import { mergeStill, VideoFrames } from "./video-frames.ts";

/** Options of {@link mergeStillAndSalient}. */
export interface MergeStillAndSalientOptions {
  /** The part of the rows that stays; default 0.2. */
  readonly ratio?: number;
  /** Cosine above which a cell stands still; default 0.65. */
  readonly minSimilarity?: number;
  /** Nearest rows that say how dense one is; default 7. */
  readonly neighbors?: number;
}

/**
 * HoliTom's outer stage: the video is divided so that as many cells as possible stand still within a
 * segment; those become one row each. What is left shares the budget in proportion: means of still cells
 * are merged around dense ones, of a frame's other cells those with the most attention stay.
 *
 * Which of the two the published code does to which rows was not read; its inner stage, after layer 18
 * of the decoder, is an attention pruning as FastV's.
 *
 * _Shapes_: `features` (frames · perFrame) × d, `attention` one number per row. _Cost_: O(frames² ·
 * perFrame) and the distances within groups.
 *
 * @returns `round(ratio · rows)` rows, or fewer where so many stand still.
 * @throws `InferenceError` `shape` or `range` for buffers that do not fit, or options outside `[0, 1]`.
 * @see HoliTom (Shao et al.), arXiv:2505.21334; `docs/algorithms/still-cells.md`
 */
export function mergeStillAndSalient(
  features: Matrix,
  perFrame: number,
  attention: Float32Array,
  { ratio = 0.2, minSimilarity = 0.65, neighbors = 7 }: MergeStillAndSalientOptions = {},
): Reduction {
  const video = new VideoFrames(features, perFrame);
  expectLength("attention", attention, features.rows);
  expectNumbers("attention", attention);
  expectNumber("ratio", ratio, 0, 1);
  const { reduction, groups } = mergeStill(video, stillSegments(video, minSimilarity));
  const merged = applyReduction(reduction, features);
  const budget = Math.min(merged.rows, Math.round(ratio * features.rows));
  const counts = shareOut(
    budget,
    groups.map(({ rows }) => rows.length),
  );
  const sums = groups.flatMap(({ still, rows }, i): WeightedSum[] => {
    if (still) return clusterGroup(merged, rows, counts[i]!, neighbors);
    const scores = Float32Array.from(rows, (row) => attention[reduction.keep[row]!]!);
    const chosen = topIndices(scores, 0, scores.length, counts[i]!);
    return Array.from(chosen, (at) => ({ anchor: rows[at]!, terms: [[rows[at]!, 1]] }));
  });
  return composeReductions(createReduction(merged.rows, sums), reduction);
}
