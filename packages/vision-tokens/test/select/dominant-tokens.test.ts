import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  applyReduction,
  mergeIntoOutliers,
  mergeRest,
  outlierRatio,
  type Reduction,
  selectByAttention,
} from "../../src/index.ts";
import { atAngles, normalRows } from "./fixtures.ts";

const attention = Float32Array.of(0.3, 0.05, 0.2, 0.02, 0.08, 0.01, 0.06, 0.03);
const keys = atAngles(0, 10, 90, 100, 20, 170, 95, 12);

describe("selectByAttention", () => {
  test("takes the highest, ascending, ties to the lower index", () => {
    expect([...selectByAttention(attention, 3)]).toEqual([0, 2, 4]);
    expect([...selectByAttention(Float32Array.of(1, 2, 2, 2), 2)]).toEqual([1, 2]);
    expect(() => selectByAttention(attention, 9)).toThrow(
      new InferenceError("range", "count: expected an integer in [0, 8], got 9"),
    );
    expect(() => selectByAttention(Float32Array.of(0, Infinity), 1)).toThrow("got Infinity at 1");
  });
});

describe("mergeRest", () => {
  const features = { data: Float32Array.from({ length: 8 }, (_, i) => i + 1), rows: 8, cols: 1 };

  test("gives the specified sums, as published and as means", () => {
    const reduction = mergeRest(attention, keys, { dominant: 2, contextual: 2 });
    expect([...reduction.keep]).toEqual([0, 1, 2, 5]);
    expect(membersOf(reduction)).toEqual([[0], [1, 4, 7], [2], [5, 3, 6]]);
    expect([...applyReduction(reduction, features).data]).toEqual([1, 8.5, 3, 11.5]);
    const mean = mergeRest(attention, keys, { dominant: 2, contextual: 2, merge: "mean" });
    expect([...applyReduction(mean, features).data]).toEqual([1, 5, 3, expect.closeTo(17 / 3, 5)]);
  });

  test("uses every row exactly once", () => {
    fc.assert(
      fc.property(fc.nat(20), fc.integer({ min: 1, max: 20 }), fc.nat(20), (seed, n, dominant) => {
        const kept = Math.min(dominant, n - 1);
        const scores = normalRows(seed, n, 1).data;
        const options = { dominant: kept, contextual: 1 + (seed % (n - kept)) };
        const reduction = mergeRest(scores, normalRows(seed + 1, n, 3), options);
        expect([...reduction.indices].sort((a, b) => a - b)).toEqual([...scores.keys()]);
        expect(reduction.keep.length).toBe(kept + options.contextual);
      }),
    );
  });

  test("keeps everything if asked to", () => {
    const all = mergeRest(attention, keys, { dominant: 8, contextual: 0 });
    expect(applyReduction(all, features)).toEqual(features);
    expect(() => mergeRest(attention, keys, { dominant: 8, contextual: 1 })).toThrow("dominant");
    expect(() => applyReduction(all, normalRows(0, 3, 1))).toThrow(
      new InferenceError("shape", "x: expected 8 rows, got 3"),
    );
  });
});

describe("mergeIntoOutliers", () => {
  const skewed = Float32Array.of(
    0.1,
    0.11,
    0.12,
    0.13,
    0.1,
    0.11,
    0.12,
    0.13,
    0.105,
    0.115,
    0.5,
    0.9,
  );
  const directions = atAngles(0, 5, 10, 15, 80, 85, 90, 95, 45, 50, 0, 90);

  test("counts outliers by quartiles", () => {
    expect(outlierRatio(skewed)).toBe(2 / 12);
    expect(outlierRatio(new Float32Array(5))).toBe(0);
    expect(outlierRatio(new Float32Array())).toBe(0);
  });

  test("gives the specified centres, members and weights", () => {
    const { keep, weights, starts, indices } = mergeIntoOutliers(skewed, directions, {
      neighbors: 3,
    });
    expect([...keep]).toEqual([9, 10, 11]);
    const sumOf = (row: number) =>
      weights.slice(starts[row], starts[row + 1]).reduce((a, b) => a + b);
    expect([...indices.subarray(starts[1], starts[2])]).toEqual([10, 0, 1, 2]);
    expect([...indices.subarray(starts[2], starts[3])]).toEqual([11, 5, 6, 7]);
    expect(sumOf(1)).toBeCloseTo(1.33, 6);
    expect(sumOf(2)).toBeCloseTo(1.36, 6);
    expect([...indices.subarray(0, starts[1])]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("adds centres at equal steps", () => {
    const plus = mergeIntoOutliers(skewed, directions, { neighbors: 3, uniform: true });
    // A sixth are outliers, so every second row is a centre; 9 stands for the rest.
    expect([...plus.keep]).toEqual([0, 2, 4, 6, 8, 9, 10, 11]);
  });

  test("leaves one row where nothing stands out", () => {
    const { keep, weights } = mergeIntoOutliers(
      new Float32Array(4).fill(0.25),
      atAngles(0, 1, 2, 3),
    );
    expect([...keep]).toEqual([3]);
    expect([...weights]).toEqual([0.25, 0.25, 0.25, 0.25]);
  });
});

function membersOf({ starts, indices, keep }: Reduction): number[][] {
  return [...keep.keys()].map((row) => [...indices.subarray(starts[row], starts[row + 1])]);
}
