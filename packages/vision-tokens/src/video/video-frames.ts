import { type Matrix, wideDot } from "@frugal/core";

import { expectFinite, expectInteger } from "../expect.ts";
import { createReduction, type Reduction } from "../select/reduction.ts";
import { unitRows } from "../select/unit-rows.ts";

/** The rows of a video, frame after frame, cells in the same order in all of them. */
export class VideoFrames {
  readonly features: Matrix;
  readonly frames: number;
  readonly perFrame: number;
  readonly #unit: Matrix;

  /** @throws `InferenceError` `shape` or `range` for features that are not whole frames, or not finite. */
  constructor(features: Matrix, perFrame: number) {
    expectFinite("features", features);
    expectInteger("perFrame", perFrame, 1);
    expectInteger("frames", features.rows / perFrame, 0);
    this.features = features;
    this.perFrame = perFrame;
    this.frames = features.rows / perFrame;
    this.#unit = unitRows(features);
  }

  row(frame: number, cell: number): number {
    return frame * this.perFrame + cell;
  }

  /** The cosine of a cell in two frames. */
  cosine(cell: number, frame: number, other: number): number {
    const { data, cols } = this.#unit;
    const [a, b] = [this.row(frame, cell) * cols, this.row(other, cell) * cols];
    return Math.fround(wideDot(data, a, data, b, cols));
  }

  /** The mean cosine of a cell over all pairs of the frames `[from, to)`; 0 for one frame. */
  meanCosine(cell: number, from: number, to: number): number {
    const { data, cols } = this.#unit;
    const length = to - from;
    if (length < 2) return 0;
    const sum = new Float32Array(cols);
    let own = 0;
    for (let frame = from; frame < to; frame++) {
      const at = this.row(frame, cell) * cols;
      for (let c = 0; c < cols; c++) sum[c]! += data[at + c]!;
      own += wideDot(data, at, data, at, cols);
    }
    return (wideDot(sum, 0, sum, 0, cols) - own) / (length * (length - 1));
  }

  /** One row per frame, the mean of its cells. */
  means(): Matrix {
    const { data, cols } = this.features;
    const out = new Float32Array(this.frames * cols);
    for (let i = 0; i < data.length; i++) {
      out[Math.floor(i / (cols * this.perFrame)) * cols + (i % cols)]! += data[i]! / this.perFrame;
    }
    return { data: out, rows: this.frames, cols };
  }
}

/** A part of a video whose static cells are merged. */
export interface Segment {
  /** First frame, and the one after the last. */
  readonly from: number;
  readonly to: number;
  /** Cells that hardly change in it, ascending. */
  readonly still: readonly number[];
}

/**
 * Merges the still cells of every segment to their mean, in its first frame. Which rows of the result
 * are such means, and which are the other cells of a frame, is said by `groups`: first those of the
 * segment, then frame by frame.
 */
export function mergeStill(
  video: VideoFrames,
  segments: readonly Segment[],
): { readonly reduction: Reduction; readonly groups: readonly RowGroup[] } {
  const sums: { anchor: number; terms: [number, number][] }[] = [];
  const anchors: { still: boolean; anchors: number[] }[] = [];
  for (const { from, to, still } of segments) {
    const share = 1 / (to - from);
    const means = still.map((cell) => {
      const frames = Array.from({ length: to - from }, (_, i) => from + i);
      const terms = frames.map((frame): [number, number] => [video.row(frame, cell), share]);
      return { anchor: video.row(from, cell), terms };
    });
    sums.push(...means);
    anchors.push({ still: true, anchors: means.map(({ anchor }) => anchor) });
    const isStill = new Set(still);
    for (let frame = from; frame < to; frame++) {
      const own: number[] = [];
      for (let cell = 0; cell < video.perFrame; cell++) {
        if (!isStill.has(cell)) own.push(video.row(frame, cell));
      }
      sums.push(...own.map((row) => ({ anchor: row, terms: [[row, 1]] as [number, number][] })));
      anchors.push({ still: false, anchors: own });
    }
  }
  const reduction = createReduction(video.features.rows, sums);
  const place = new Map(Array.from(reduction.keep, (row, i) => [row, i]));
  const groups = anchors
    .filter((group) => group.anchors.length > 0)
    .map((group) => ({ still: group.still, rows: group.anchors.map((row) => place.get(row)!) }));
  return { reduction, groups };
}

/** Rows of a merged video that belong together. */
export interface RowGroup {
  /** Means of still cells, not cells of one frame. */
  readonly still: boolean;
  /** Ascending. */
  readonly rows: readonly number[];
}
