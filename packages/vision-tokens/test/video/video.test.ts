import type { Matrix } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  applyReduction,
  mergeAroundAnchors,
  mergeRuns,
  mergeScenes,
  mergeStillAndSalient,
  type Reduction,
} from "../../src/index.ts";
import { shareOut } from "../../src/share-out.ts";
import { divideStill } from "../../src/video/still-segments.ts";
import { normalRows } from "../select/fixtures.ts";

const matrix = (rows: readonly (readonly number[])[]): Matrix => ({
  data: Float32Array.from(rows.flat()),
  rows: rows.length,
  cols: rows[0]!.length,
});

/** The rows that each row of a result is made of. */
const membersOf = ({ starts, indices }: Reduction): number[][] =>
  Array.from({ length: starts.length - 1 }, (_, i) => [
    ...indices.subarray(starts[i], starts[i + 1]),
  ]);

/** Frames of 12 cells: the first `still` cells are the same in all frames of a scene. */
function video(scenes: readonly number[], still: number, noise = 0.01): Matrix {
  const perFrame = 12;
  const cols = 24;
  const frames = scenes.flatMap((length, scene) => {
    const base = normalRows(scene, perFrame, cols).data;
    return Array.from({ length }, (_, t) => {
      const own = normalRows(1000 + 50 * scene + t, perFrame, cols).data;
      return base.map((value, i) => (i < still * cols ? value + noise * own[i]! : own[i]!));
    });
  });
  return {
    data: Float32Array.from(frames.flatMap((frame) => [...frame])),
    rows: frames.length * perFrame,
    cols,
  };
}

function expectPartition(reduction: Reduction, rows: number): void {
  const all = membersOf(reduction).flat();
  expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, i) => i));
}

function expectMeans({ starts, weights }: Reduction): void {
  for (let i = 0; i + 1 < starts.length; i++) {
    const own = weights.subarray(starts[i], starts[i + 1]);
    expect(own.every((weight) => weight > 0)).toBe(true);
    expect(own.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  }
}

describe("mergeRuns", () => {
  test("of audio frames has the runs of the worked example", () => {
    const frames = matrix([
      [1, 0],
      [0.95, 0.1],
      [0.9, 0.3],
      [0, 1],
      [0.05, 1],
      [1, 0],
    ]);
    const reduction = mergeRuns(frames, 0.9);
    expect(membersOf(reduction)).toEqual([[0, 1, 2], [3, 4], [5]]);
    expect([...reduction.keep]).toEqual([0, 3, 5]);
    expect(Array.from(applyReduction(reduction, frames).data, (x) => Number(x.toFixed(4)))).toEqual(
      [0.95, 0.1333, 0.025, 1, 1, 0],
    );
  });

  test("of a video merges the cells that stand still", () => {
    const features = video([5], 7);
    const reduction = mergeRuns(features, 0.6, 12);
    expect(reduction.keep.length).toBe(7 + 5 * 5);
    for (let cell = 0; cell < 7; cell++) {
      expect(membersOf(reduction)[cell]).toEqual([0, 1, 2, 3, 4].map((t) => 12 * t + cell));
    }
    expectPartition(reduction, features.rows);
    expectMeans(reduction);
    expect(mergeRuns(features, 1, 12).keep.length).toBe(features.rows);
    expect(mergeRuns(features, -1, 12).keep.length).toBe(12);
  });

  test("refuses rows that are no whole frames", () => {
    expect(() => mergeRuns(normalRows(1, 5, 2), 0.5, 2)).toThrow("rows / stride");
    expect(() => mergeRuns(normalRows(1, 5, 2), 2)).toThrow("minSimilarity");
  });
});

describe("segments of still cells", () => {
  const stays = [
    [1, 1, 0],
    [1, 1, 0],
    [1, 0, 0],
    [1, 0, 1],
  ].map((row) => Uint8Array.from(row));

  test("are those of the worked example", () => {
    const segments = divideStill(stays, 5, 3);
    expect(segments).toEqual([
      { from: 0, to: 3, still: [0, 1] },
      { from: 3, to: 5, still: [0, 2] },
    ]);
    const saved = segments.reduce(
      (sum, { from, to, still }) => sum + still.length * (to - from - 1),
      0,
    );
    expect(saved).toBe(6);
  });

  test("save the most of all divisions", () => {
    for (let seed = 0; seed < 40; seed++) {
      const [frames, cells] = [7, 3];
      const random = normalRows(seed, frames - 1, cells).data;
      const steps = Array.from({ length: frames - 1 }, (_, t) =>
        Uint8Array.from({ length: cells }, (__, c) => (random[t * cells + c]! > -0.5 ? 1 : 0)),
      );
      const saves = (from: number, to: number): number => {
        let count = 0;
        for (let c = 0; c < cells; c++) {
          if (to > from && steps.slice(from, to).every((step) => step[c] === 1)) count++;
        }
        return count * (to - from);
      };
      let most = 0;
      for (let cuts = 0; cuts < 1 << (frames - 1); cuts++) {
        let [sum, from] = [0, 0];
        for (let t = 0; t < frames; t++) {
          if (t === frames - 1 || (cuts >> t) & 1) {
            sum += saves(from, t);
            from = t + 1;
          }
        }
        most = Math.max(most, sum);
      }
      const segments = divideStill(steps, frames, cells);
      const reached = segments.reduce((sum, { from, to }) => sum + saves(from, to - 1), 0);
      expect(reached).toBe(most);
      expect(segments[0]!.from).toBe(0);
      expect(segments.at(-1)!.to).toBe(frames);
      for (const [i, { to }] of segments.slice(0, -1).entries()) {
        expect(segments[i + 1]!.from).toBe(to);
      }
    }
  });

  test("are none without frames", () => {
    expect(divideStill([], 0, 3)).toEqual([]);
    expect(divideStill([], 1, 3)).toEqual([{ from: 0, to: 1, still: [] }]);
  });
});

describe("mergeStillAndSalient", () => {
  const features = video([4, 3], 8);
  const attention = normalRows(5, features.rows, 1).data.map((x) => Math.exp(x));

  test("keeps the budget, within segments", () => {
    for (const ratio of [0.1, 0.2, 0.33]) {
      const reduction = mergeStillAndSalient(features, 12, attention, { ratio });
      expect(reduction.keep.length).toBe(Math.round(ratio * features.rows));
      expectMeans(reduction);
    }
    // Two scenes of 4 and 3 frames: 8 still cells each, and 4 others per frame.
    expect(mergeStillAndSalient(features, 12, attention, { ratio: 1 }).keep.length).toBe(16 + 28);
  });

  test("leaves a still cell in one row, and of others the ones with the most attention", () => {
    const reduction = mergeStillAndSalient(features, 12, attention, { ratio: 1 });
    const still = membersOf(reduction).filter((rows) => rows.length > 1);
    expect(still).toHaveLength(16);
    for (const rows of still) {
      expect(new Set(rows.map((row) => row % 12)).size).toBe(1);
      expect(rows).toHaveLength(rows[0]! < 48 ? 4 : 3);
    }
    const few = mergeStillAndSalient(features, 12, attention, { ratio: 0.2 });
    const single = membersOf(few).filter((rows) => rows.length === 1 && rows[0]! % 12 >= 8);
    for (let frame = 0; frame < 7; frame++) {
      const kept = single.flat().filter((row) => Math.floor(row / 12) === frame);
      const cells = [8, 9, 10, 11].map((cell) => 12 * frame + cell);
      const best = cells.sort((a, b) => attention[b]! - attention[a]!).slice(0, kept.length);
      expect(kept.sort((a, b) => a - b)).toEqual(best.sort((a, b) => a - b));
    }
  });

  test("refuses attention of another length, and ratios above 1", () => {
    expect(() => mergeStillAndSalient(features, 12, attention.slice(1))).toThrow("attention");
    expect(() => mergeStillAndSalient(features, 12, attention, { ratio: 2 })).toThrow("ratio");
    expect(() => mergeStillAndSalient(features, 13, attention)).toThrow("frames");
  });
});

describe("mergeScenes", () => {
  test("finds scenes, merges what stands still in them, and halves the rest", () => {
    const features = video([4, 4], 12);
    const reduction = mergeScenes(features, 12, { spatial: 1 });
    expect(reduction.keep.length).toBe(24);
    for (const rows of membersOf(reduction)) {
      expect(rows).toHaveLength(4);
      expect(new Set(rows.map((row) => row % 12)).size).toBe(1);
      expect(new Set(rows.map((row) => Math.floor(row / 48))).size).toBe(1);
    }
    const half = mergeScenes(features, 12);
    expect(half.keep.length).toBe(12);
    expectPartition(half, features.rows);
    expectMeans(half);
  });

  test("keeps moving cells apart by frames", () => {
    const features = video([8], 0);
    const reduction = mergeScenes(features, 12, { scenes: 0.125 });
    expect(reduction.keep.length).toBe(8 * 6);
    for (const rows of membersOf(reduction)) {
      expect(new Set(rows.map((row) => Math.floor(row / 12))).size).toBe(1);
    }
    expectPartition(reduction, features.rows);
  });

  test("of no frames is nothing", () => {
    expect(mergeScenes({ data: new Float32Array(), rows: 0, cols: 4 }, 12).keep.length).toBe(0);
  });
});

describe("mergeAroundAnchors", () => {
  const features = video([6, 5], 6);
  const attention = normalRows(6, features.rows, 1).data.map((x) => Math.exp(x));

  test("keeps what is attended to in every frame, and dense rows of anchor frames", () => {
    const options = { ratio: 0.5, scenes: 2, minSimilarity: 0, dense: 0.5 };
    const reduction = mergeAroundAnchors(features, 12, attention, options);
    // Six rows a frame, half of them by attention, the other half in frames 0, 4 and 6, 10.
    expect(reduction.keep.length).toBe(11 * 6);
    for (let frame = 0; frame < 11; frame++) {
      const rows = [...reduction.keep].filter((row) => Math.floor(row / 12) === frame);
      const cells = Array.from({ length: 12 }, (_, c) => 12 * frame + c);
      const best = cells.sort((a, b) => attention[b]! - attention[a]!).slice(0, 3);
      expect(rows).toEqual(expect.arrayContaining(best));
      expect(rows.length === 3).toBe(![0, 4, 6, 10].includes(frame));
    }
    expectPartition(reduction, features.rows);
    expectMeans(reduction);
  });

  test("weighs a dense row against those that join it", () => {
    const options = { ratio: 0.25, scenes: 1, minSimilarity: -1, dense: 1, weight: 0.7 };
    const { starts, weights, indices, keep } = mergeAroundAnchors(features, 12, attention, options);
    for (let i = 0; i < keep.length; i++) {
      const at = indices.subarray(starts[i], starts[i + 1]).indexOf(keep[i]!);
      const alone = starts[i + 1] === starts[i]! + 1;
      expect(weights[starts[i]! + at]).toBeCloseTo(alone ? 1 : 0.7, 6);
    }
  });

  test("only selects where nothing is to be dense", () => {
    const reduction = mergeAroundAnchors(features, 12, attention, { ratio: 0.25, dense: 0 });
    expect(membersOf(reduction).every((rows) => rows.length === 1)).toBe(true);
    expect(reduction.keep.length).toBe(33);
  });
});

test("shareOut gives largest remainders, the first of equal ones, none more than its size", () => {
  expect(shareOut(5, [1, 1, 1, 7])).toEqual([1, 1, 0, 3]);
  expect(shareOut(10, [1, 1, 1, 7])).toEqual([1, 1, 1, 7]);
  expect(shareOut(0, [3, 4])).toEqual([0, 0]);
  // A third each is left over: as floats, that of the first would be the smallest.
  expect(shareOut(2, [4, 1, 1])).toEqual([2, 0, 0]);
  expect(shareOut(0, [])).toEqual([]);
});
