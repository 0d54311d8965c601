import { cosine, type Matrix, pickRows, topIndices } from "@frugal/core";

import { clusterDensityPeaks } from "../cluster/cluster-density-peaks.ts";
import { expectInteger, expectLength, expectNumber, expectNumbers } from "../expect.ts";
import { createReduction, type Reduction, type WeightedSum } from "../select/reduction.ts";
import { RowProducts } from "../select/row-products.ts";
import { shareOut } from "../share-out.ts";
import { VideoFrames } from "./video-frames.ts";

/** Options of {@link mergeAroundAnchors}. */
export interface MergeAroundAnchorsOptions {
  /** The part of the rows that stays; default 0.1. */
  readonly ratio?: number;
  /** The fewest scenes; default 8. */
  readonly scenes?: number;
  /** Frames are of one scene if their cosine is at least this; default 0.9. */
  readonly minSimilarity?: number;
  /** The part of the budget that goes to dense rows, the rest to those with the most attention; default 0.4. */
  readonly dense?: number;
  /** Frames from one anchor to the next; default 4. */
  readonly period?: number;
  /** What a dense row counts beside the mean of those that join it; default 0.6. */
  readonly weight?: number;
  /** Nearest rows that say how dense one is; default 4. */
  readonly neighbors?: number;
}

/**
 * FastVID: the video is cut between frames that differ; in every frame the cells with the most attention
 * stay; in every fourth frame of a scene the densest other cells take up what is left of the scene, each
 * row joining the most similar.
 *
 * What the paper leaves open (ties, shares that are no whole numbers, cells that are both dense and
 * attended to) is ours: attention comes first.
 *
 * _Shapes_: `features` (frames · perFrame) × d, `attention` one number per row. _Cost_: O(rows ·
 * dense rows of a scene · d).
 *
 * @throws `InferenceError` `shape` or `range` for buffers that do not fit, or options that make no
 *   sense.
 * @see FastVID (Shen et al.), arXiv:2503.11187; `docs/algorithms/still-cells.md`
 */
export function mergeAroundAnchors(
  features: Matrix,
  perFrame: number,
  attention: Float32Array,
  options: MergeAroundAnchorsOptions = {},
): Reduction {
  const { ratio = 0.1, dense = 0.4, period = 4, weight = 0.6, neighbors = 4 } = options;
  const video = new VideoFrames(features, perFrame);
  expectLength("attention", attention, features.rows);
  expectNumbers("attention", attention);
  expectNumber("ratio", ratio, 0, 1);
  expectNumber("dense", dense, 0, 1);
  expectInteger("period", period, 1);
  expectNumber("weight", weight, 0, 1);
  const perFrameKept = Math.round(ratio * perFrame);
  const merging = Math.round(dense * perFrameKept);
  const products = new RowProducts(features);
  const sums = scenesOf(video, options).flatMap(([from, to]): WeightedSum[] => {
    const salient = new Set<number>();
    for (let frame = from; frame < to; frame++) {
      const first = video.row(frame, 0);
      for (const cell of topIndices(attention, first, perFrame, perFrameKept - merging)) {
        salient.add(first + cell);
      }
    }
    const centers = centersOf(video, [from, to], period, merging * (to - from), salient, neighbors);
    const members = new Map(Array.from(centers, (center) => [center, [] as number[]]));
    for (let row = video.row(from, 0); row < video.row(to, 0); row++) {
      if (salient.has(row) || members.has(row) || centers.length === 0) continue;
      members.get(centers[products.mostSimilar(row, centers)]!)!.push(row);
    }
    return [
      ...Array.from(salient, (row): WeightedSum => ({ anchor: row, terms: [[row, 1]] })),
      ...Array.from(members, ([center, rows]) => joined(center, rows, weight)),
    ];
  });
  return createReduction(features.rows, sums);
}

function joined(center: number, rows: readonly number[], weight: number): WeightedSum {
  if (rows.length === 0) return { anchor: center, terms: [[center, 1]] };
  const share = (1 - weight) / rows.length;
  return { anchor: center, terms: [[center, weight], ...rows.map((row) => [row, share] as const)] };
}

/** Where scenes begin and end: at the least similar transitions, and at all below the threshold. */
function scenesOf(
  video: VideoFrames,
  { scenes = 8, minSimilarity = 0.9 }: MergeAroundAnchorsOptions,
): (readonly [number, number])[] {
  expectInteger("scenes", scenes, 1);
  expectNumber("minSimilarity", minSimilarity, -1, 1);
  if (video.frames === 0) return [];
  const { data, cols } = video.means();
  const change = Float32Array.from({ length: video.frames - 1 }, (_, i) => {
    const [a, b] = [
      data.subarray(i * cols, (i + 1) * cols),
      data.subarray((i + 1) * cols, (i + 2) * cols),
    ];
    return 1 - cosine(a, b);
  });
  const cuts = new Set(topIndices(change, 0, change.length, Math.min(scenes - 1, change.length)));
  for (const [i, value] of change.entries()) if (1 - value < minSimilarity) cuts.add(i);
  const starts = [0, ...Array.from(cuts, (i) => i + 1).sort((a, b) => a - b)];
  return starts.map((from, i) => [from, starts[i + 1] ?? video.frames] as const);
}

/** The densest rows of every `period`-th frame of a scene, ascending. */
function centersOf(
  video: VideoFrames,
  [from, to]: readonly [number, number],
  period: number,
  count: number,
  salient: ReadonlySet<number>,
  neighbors: number,
): Uint32Array {
  const free: number[][] = [];
  for (let frame = from; frame < to; frame += period) {
    const rows = Array.from({ length: video.perFrame }, (_, cell) => video.row(frame, cell));
    free.push(rows.filter((row) => !salient.has(row)));
  }
  const sizes = free.map((rows) => rows.length);
  const room = sizes.reduce((a, b) => a + b, 0);
  const shares = shareOut(Math.min(count, room), sizes);
  const centers = free.flatMap((rows, i) => {
    if (shares[i] === 0) return [];
    const peaks = clusterDensityPeaks(pickRows(video.features, rows), shares[i]!, neighbors);
    return Array.from(peaks.centers, (center) => rows[center]!);
  });
  return Uint32Array.from(centers);
}
