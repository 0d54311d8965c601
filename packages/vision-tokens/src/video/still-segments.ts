import { expectNumber } from "../expect.ts";
import type { Segment, VideoFrames } from "./video-frames.ts";

/**
 * Divides a video where that saves the most: a segment of `a + 1` frames in which `s` cells stay above
 * `minSimilarity` from each frame to the next saves `s · a` rows. Of divisions that save the same the one
 * with shorter segments is taken.
 *
 * _Cost_: O(frames² · cells) at most, and one product of rows per row.
 */
export function stillSegments(video: VideoFrames, minSimilarity: number): Segment[] {
  expectNumber("minSimilarity", minSimilarity, -1, 1);
  const { frames, perFrame } = video;
  const stays = Array.from({ length: Math.max(0, frames - 1) }, (_, frame) =>
    Uint8Array.from({ length: perFrame }, (__, cell) =>
      video.cosine(cell, frame, frame + 1) > minSimilarity ? 1 : 0,
    ),
  );
  return divideStill(stays, frames, perFrame);
}

/** The same by what stays from each frame to the next. */
export function divideStill(
  stays: readonly Uint8Array[],
  frames: number,
  perFrame: number,
): Segment[] {
  /** The most that can be saved up to a frame, and where its segment begins. */
  const saved = new Float64Array(frames + 1);
  const begin = new Uint32Array(frames + 1);
  for (let end = 1; end <= frames; end++) {
    saved[end] = saved[end - 1]!;
    begin[end] = end - 1;
    const still = new Uint8Array(perFrame).fill(1);
    for (let from = end - 2; from >= 0; from--) {
      let count = 0;
      for (let cell = 0; cell < perFrame; cell++) {
        still[cell]! &= stays[from]![cell]!;
        count += still[cell]!;
      }
      if (count === 0) break;
      const total = saved[from]! + count * (end - 1 - from);
      if (total > saved[end]!) [saved[end], begin[end]] = [total, from];
    }
  }
  const segments: Segment[] = [];
  for (let to = frames; to > 0; to = begin[to]!) {
    const from = begin[to]!;
    const still = Array.from({ length: perFrame }, (_, cell) => cell).filter(
      (cell) => to - from > 1 && stays.slice(from, to - 1).every((step) => step[cell] === 1),
    );
    segments.unshift({ from, to, still });
  }
  return segments;
}
