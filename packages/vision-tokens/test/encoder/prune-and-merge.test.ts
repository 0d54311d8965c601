import { InferenceError, type Matrix } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  applyReduction,
  diffRateSchedules,
  pruneAndMerge,
  rowSources,
  vitFlops,
} from "../../src/index.ts";
import { normalRows } from "../select/fixtures.ts";

/** A class token and five patches in the plane. */
const x: Matrix = {
  data: Float32Array.of(9, 9, 1, 0, 0, 1, 1, 0.1, -1, 0, 0.1, 1),
  rows: 6,
  cols: 2,
};
const importance = Float32Array.of(0.5, 0.3, 0.1, 0.05, 0.2);

describe("pruneAndMerge", () => {
  test("leaves the least important out and merges the next", () => {
    const { reduction, sizes } = pruneAndMerge(x, importance, { pruned: 5, merged: 3 });
    expect([...reduction.keep]).toEqual([0, 1, 2]);
    // Row 3 joins row 1, row 5 joins row 2, row 4 is pruned.
    expect([...rowSources(reduction)]).toEqual([0, 1, 2, 1, -1, 2]);
    const { data } = applyReduction(reduction, x);
    [9, 9, 1, 0.05, 0.05, 1].forEach((value, i) => expect(data[i]).toBeCloseTo(value, 6));
    const cosine = 1 / Math.hypot(1, 0.1);
    [1, 1 + cosine, 1 + cosine].forEach((size, i) => expect(sizes[i]).toBeCloseTo(size, 6));
  });

  test("weighs what joins by its size, and takes nothing away for a negative cosine", () => {
    const given = Float32Array.of(1, 1, 1, 4, 1, 1);
    const grown = pruneAndMerge(x, importance, { pruned: 6, merged: 2 }, given).sizes;
    // All join row 1, the only one open: cosines 0, near 1, -1 and near 0.1.
    const cosines = [0, 1 / Math.hypot(1, 0.1), 0, 0.1 / Math.hypot(0.1, 1)];
    expect(grown[1]).toBeCloseTo(1 + cosines[0]! + 4 * cosines[1]! + cosines[3]!, 5);
  });

  test("never merges into the class token, and keeps it as it is", () => {
    const same = { ...x, data: x.data.slice() };
    same.data.set([9, 9], 6);
    const { reduction } = pruneAndMerge(same, importance, { pruned: 6, merged: 4 });
    expect([...reduction.indices.subarray(0, reduction.starts[1])]).toEqual([0]);
  });

  test("of equal rows the lower is taken up, by the lower", () => {
    const equal = { data: new Float32Array(10).fill(1), rows: 5, cols: 2 };
    const { reduction } = pruneAndMerge(equal, new Float32Array(4), { pruned: 4, merged: 3 });
    expect([...rowSources(reduction)]).toEqual([0, 1, 2, 1, -1]);
  });

  test("partitions the rows it passes, in the order of the image", () => {
    fc.assert(
      fc.property(
        fc.nat(99),
        fc.integer({ min: 2, max: 14 }),
        fc.integer({ min: 2, max: 16 }),
        fc.integer({ min: 2, max: 16 }),
        (seed, rows, pruned, merged) => {
          const features = normalRows(seed, rows, 4);
          const scores = normalRows(seed + 1, rows - 1, 1).data;
          const { reduction, sizes } = pruneAndMerge(features, scores, { pruned, merged });
          const { keep, indices, starts } = reduction;
          expect(keep.length).toBe(Math.min(rows, pruned, merged));
          expect([...keep]).toEqual([...keep].sort((a, b) => a - b));
          expect(new Set(indices).size).toBe(indices.length);
          expect(indices.length).toBe(Math.min(rows, pruned));
          expect(keep[0]).toBe(0);
          for (const [r, size] of sizes.entries()) {
            expect(size).toBeGreaterThanOrEqual(1);
            expect(size).toBeLessThan(starts[r + 1]! - starts[r]! + 1e-5);
          }
        },
      ),
    );
  });

  test("with full counts does nothing", () => {
    const { reduction, sizes } = pruneAndMerge(x, importance, { pruned: 9, merged: 6 });
    expect(applyReduction(reduction, x)).toEqual(x);
    expect([...sizes]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test("refuses what does not fit", () => {
    const counts = { pruned: 4, merged: 3 };
    expect(() => pruneAndMerge(x, importance.subarray(1), counts)).toThrow(
      "importance: expected 5 entries, got 4",
    );
    expect(() => pruneAndMerge(x, importance, { ...counts, merged: 1 })).toThrow("got 1");
    expect(() => pruneAndMerge({ ...x, rows: 0 }, importance, counts)).toThrow(InferenceError);
  });
});

describe("diffRateSchedules", () => {
  const side = { patch: 16, tokens: 197, classes: 1000 };
  const shapes = {
    "vit-t-deit": { ...side, layers: 12, width: 192, hidden: 768 },
    "vit-s-deit": { ...side, layers: 12, width: 384, hidden: 1536 },
    "vit-b-deit": { ...side, layers: 12, width: 768, hidden: 3072 },
    "vit-b-mae": { ...side, layers: 12, width: 768, hidden: 3072 },
    "vit-l-mae": { ...side, layers: 24, width: 1024, hidden: 4096 },
    "vit-h-mae": { ...side, layers: 32, width: 1280, hidden: 5120, patch: 14, tokens: 257 },
  } as const;
  const names = Object.keys(shapes) as (keyof typeof shapes)[];

  test.for(names)("%s takes the operations that it says", (name) => {
    for (const [left, { prune, merge }] of Object.entries(diffRateSchedules[name])) {
      const kept = prune.map((count, layer) => Math.min(count, merge[layer]!));
      const gigaMacs = vitFlops(shapes[name], kept) / 2e9;
      // The published numbers are rounded, and the search stops near its goal.
      expect(Math.abs(gigaMacs - Number(left))).toBeLessThan(0.012 * Number(left) + 0.06);
    }
  });

  test.for([
    ["vit-s-deit", "2.9", 2.905256],
    ["vit-b-deit", "11.5", 11.51724],
    ["vit-b-mae", "11.5", 11.517146],
    ["vit-l-mae", "42.3", 42.290381],
    ["vit-h-mae", "103.4", 103.337078],
  ] as const)("%s %s: the published number of operations", ([name, left, expected]) => {
    const { prune, merge } = diffRateSchedules[name][left]!;
    const kept = prune.map((count, layer) => Math.min(count, merge[layer]!));
    expect(vitFlops(shapes[name], kept) / 2e9).toBeCloseTo(expected, 5);
  });
});
