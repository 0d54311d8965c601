import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { applyReduction, mergeConnected } from "../../src/index.ts";
import oracle from "../oracles/token-reductions.json" with { type: "json" };
import { atAngles, normalRows, sortedRows } from "./fixtures.ts";

describe("mergeConnected", () => {
  test.each(oracle.scissor)("makes the rows of the rule at $threshold", (entry) => {
    const { x, cols, perFrame, threshold, y } = entry;
    const features = { data: Float32Array.from(x), rows: x.length / cols, cols };
    const rows = sortedRows(
      applyReduction(mergeConnected(features, perFrame, threshold), features),
    );
    expect(rows.length).toBe(y.length);
    for (const [i, row] of rows.entries()) {
      for (const [c, value] of row.entries()) expect(value).toBeCloseTo(y[i]![c]!, 5);
    }
  });

  test("sees the same things of two frames once, in their first places", () => {
    const frames = atAngles(0, 90, 1, 91, 0, 92);
    const { keep, starts, indices } = mergeConnected(frames, 2, 0.99);
    expect(keep.length).toBe(2);
    expect([...indices.subarray(0, starts[1])]).toEqual([0, 2, 4]);
    expect([...indices.subarray(starts[1])]).toEqual([1, 3, 5]);
  });

  test("links nothing above 1, and nearly everything above -1", () => {
    const features = normalRows(5, 12, 4);
    expect(applyReduction(mergeConnected(features, 6, 1), features)).toEqual(features);
    const one = mergeConnected(features, 6, -1);
    expect(one.keep.length).toBe(1);
    const { data } = applyReduction(one, features);
    for (let c = 0; c < 4; c++) {
      let sum = 0;
      for (let row = 0; row < 12; row++) sum += features.data[row * 4 + c]!;
      expect(data[c]).toBeCloseTo(sum / 12, 5);
    }
  });

  test("refuses what is no whole frames", () => {
    expect(() => mergeConnected(normalRows(1, 5, 2), 2, 0.9)).toThrow(
      new InferenceError("range", "frames: expected an integer >= 0, got 2.5"),
    );
    expect(() => mergeConnected(normalRows(1, 4, 2), 2, 1.1)).toThrow("threshold: expected");
  });
});
