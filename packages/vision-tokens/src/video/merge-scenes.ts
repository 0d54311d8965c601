import type { Matrix } from "@frugal/core";

import { clusterDensityPeaks } from "../cluster/cluster-density-peaks.ts";
import { expectNumber } from "../expect.ts";
import {
  applyReduction,
  composeReductions,
  createReduction,
  type Reduction,
} from "../select/reduction.ts";
import { clusterGroup } from "./cluster-groups.ts";
import { mergeStill, type Segment, VideoFrames } from "./video-frames.ts";

/** Options of {@link mergeScenes}. */
export interface MergeScenesOptions {
  /** Clusters of frames, as a part of the frames; default 0.25. */
  readonly scenes?: number;
  /** Mean cosine of a cell within a scene above which it stands still; default 0.8. */
  readonly minSimilarity?: number;
  /** The part of the rows that stays after cells have been merged over time; default 0.5. */
  readonly spatial?: number;
  /** Nearest rows that say how dense one is; default 5. */
  readonly neighbors?: number;
}

/**
 * PruneVid's first stage: frames are clustered around dense ones by their means, runs of frames of one
 * cluster are scenes; a cell that stands still in a scene becomes one row there; then still cells of a
 * scene, and the other cells of each frame, are merged around dense ones.
 *
 * Its second stage is an attention pruning in the decoder.
 *
 * _Shapes_: `features` (frames · perFrame) × d. _Cost_: O(rows · d) and the distances within groups.
 *
 * @throws `InferenceError` `shape` or `range` for buffers that do not fit, or options outside `[0, 1]`.
 * @see PruneVid (Huang et al.), arXiv:2412.16117; `docs/algorithms/still-cells.md`
 */
export function mergeScenes(
  features: Matrix,
  perFrame: number,
  options: MergeScenesOptions = {},
): Reduction {
  const { scenes = 0.25, minSimilarity = 0.8, spatial = 0.5, neighbors = 5 } = options;
  const video = new VideoFrames(features, perFrame);
  expectNumber("scenes", scenes, 0, 1);
  expectNumber("minSimilarity", minSimilarity, -1, 1);
  expectNumber("spatial", spatial, 0, 1);
  const segments = runsOfFrames(video, scenes, neighbors).map(([from, to]): Segment => {
    const cells = Array.from({ length: perFrame }, (_, cell) => cell);
    const still = cells.filter((cell) => video.meanCosine(cell, from, to) > minSimilarity);
    return { from, to, still: to - from > 1 ? still : [] };
  });
  const { reduction, groups } = mergeStill(video, segments);
  const merged = applyReduction(reduction, features);
  const sums = groups.flatMap(({ rows }) =>
    clusterGroup(merged, rows, Math.max(1, Math.round(spatial * rows.length)), neighbors),
  );
  return composeReductions(createReduction(merged.rows, sums), reduction);
}

/** Runs of frames that belong to one cluster: from, and up to. */
function runsOfFrames(
  video: VideoFrames,
  share: number,
  neighbors: number,
): (readonly [number, number])[] {
  if (video.frames === 0) return [];
  const count = Math.max(1, Math.trunc(share * video.frames));
  const { labels } = clusterDensityPeaks(video.means(), count, neighbors);
  const starts = Array.from(labels.keys()).filter((i) => i === 0 || labels[i] !== labels[i - 1]);
  return starts.map((from, i) => [from, starts[i + 1] ?? video.frames] as const);
}
