import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { applyReduction, mergeWindows } from "../../src/index.ts";
import oracle from "../oracles/token-reductions.json" with { type: "json" };
import { normalRows, sortedRows } from "./fixtures.ts";

describe("mergeWindows", () => {
  test.each(oracle.mustdrop)("makes the rows of the rule in $grid", (entry) => {
    const { x, grid, width, side, threshold, merged, y } = entry;
    const features = { data: Float32Array.from(x), rows: x.length / width, cols: width };
    const sides = { rows: grid[0]!, cols: grid[1]! };
    const reduction = mergeWindows(features, sides, { side, threshold });
    const rows = sortedRows(applyReduction(reduction, features));
    expect(rows.length).toBe(y.length);
    for (const [i, row] of rows.entries()) {
      for (const [c, value] of row.entries()) expect(value).toBeCloseTo(y[i]![c]!, 5);
    }
    expect(mergeWindows(features, sides, { side, threshold: -1, count: merged })).toEqual(
      reduction,
    );
  });

  test("keeps the order of the image, a mean in the place of its last cell", () => {
    // Four windows of 2 × 2; the second is plain.
    const features = normalRows(2, 16, 8);
    for (const cell of [2, 3, 6, 7]) features.data.fill(1, cell * 8, (cell + 1) * 8);
    const { keep } = mergeWindows(features, { rows: 4, cols: 4 }, { side: 2, threshold: 0.99 });
    expect([...keep]).toEqual([0, 1, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  });

  test("refuses windows that do not divide the grid", () => {
    const features = normalRows(1, 16, 2);
    expect(() => mergeWindows(features, { rows: 4, cols: 4 })).toThrow(
      new InferenceError("range", "rows / side: expected an integer >= 1, got 1.3333333333333333"),
    );
    expect(() => mergeWindows(features, { rows: 6, cols: 6 })).toThrow(
      new InferenceError("shape", "features: expected 6 x 6 rows, got 16"),
    );
    expect(() => mergeWindows(features, { rows: 4, cols: 4 }, { side: 2, count: 5 })).toThrow(
      "count: expected an integer in [0, 4], got 5",
    );
  });
});
