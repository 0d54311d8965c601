import { InferenceError, type Matrix, philox } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { applyReduction, mergeBipartite, mergeHalving, mergeSchedule } from "../../src/index.ts";
import { atAngles, normalRows } from "./fixtures.ts";

const metric = atAngles(0, 10, 90, 100, 45, 200);
const x = { data: Float32Array.of(1, 0, 2, 0, 0, 1, 0, 3, 1, 1, -2, -1), rows: 6, cols: 2 };

describe("mergeBipartite", () => {
  test("gives the specified rows and sizes", () => {
    const { reduction, sizes } = mergeBipartite(metric, 2);
    expect([...reduction.keep]).toEqual([1, 3, 4, 5]);
    expect([...applyReduction(reduction, x).data]).toEqual([1.5, 0, 0, 2, 1, 1, -2, -1]);
    expect([...sizes]).toEqual([2, 2, 1, 1]);
  });

  test("merges nothing when asked for nothing, or when nothing is similar", () => {
    for (const { reduction } of [
      mergeBipartite(metric, 0),
      mergeBipartite(metric, 3, { minSimilarity: 0.99 }),
    ]) {
      expect(applyReduction(reduction, x)).toEqual(x);
    }
    expect(mergeBipartite(metric, 3, { minSimilarity: 0.9 }).reduction.keep.length).toBe(4);
  });

  test("does not depend on the order of the rows that may be merged", () => {
    for (let seed = 0; seed < 20; seed++) {
      const rows = normalRows(seed, 16, 4);
      const rng = philox(seed);
      // Even rows change places, odd ones stay.
      const order = Array.from({ length: 8 }, (_, i) => i).sort(
        (a, b) => rng.uniform(a) - rng.uniform(b),
      );
      const from = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 2 * order[i / 2]! : i));
      const data = from.flatMap((row) => [...rows.data.subarray(4 * row, 4 * row + 4)]);
      const moved = { ...rows, data: Float32Array.from(data) };
      const groupsOf = (given: Matrix, name: (row: number) => number): string[] => {
        const { starts, indices, keep } = mergeBipartite(given, 5).reduction;
        const groups = [...keep.keys()].map((i) =>
          [...indices.subarray(starts[i], starts[i + 1])].map(name).sort((a, b) => a - b),
        );
        return groups.map((group) => group.join()).sort();
      };
      expect(groupsOf(moved, (row) => from[row]!)).toEqual(groupsOf(rows, (row) => row));
    }
  });

  test("spares the class token", () => {
    const { reduction } = mergeBipartite(metric, 9, { classToken: true });
    expect([...reduction.keep]).toEqual([0, 1, 3, 5]);
    expect([...reduction.indices.subarray(0, 1)]).toEqual([0]);
  });

  test("keeps the weighted sum, the number of tokens, and every row once", () => {
    fc.assert(
      fc.property(fc.nat(50), fc.integer({ min: 1, max: 16 }), fc.nat(10), (seed, n, count) => {
        const features = normalRows(seed, n, 3);
        const sizes = Float32Array.from({ length: n }, (_, i) => 1 + ((i + seed) % 4));
        const merge = mergeBipartite(features, count, { sizes });
        const merged = applyReduction(merge.reduction, features);
        expect(merged.rows).toBe(n - Math.min(count, Math.floor(n / 2)));
        expect([...merge.reduction.indices].sort((a, b) => a - b)).toEqual([...sizes.keys()]);
        expect(total(merge.sizes)).toBe(total(sizes));
        for (let c = 0; c < 3; c++) {
          const before = total(sizes.map((size, row) => size * features.data[row * 3 + c]!));
          const after = total(merge.sizes.map((size, row) => size * merged.data[row * 3 + c]!));
          expect(after).toBeCloseTo(before, 4);
        }
      }),
    );
  });

  test("merged duplicates attended to by the logarithm of their size change nothing", () => {
    const keys = { data: Float32Array.of(1, 2, 1, 2, -1, 0.5, 0, 1), rows: 4, cols: 2 };
    const { reduction, sizes } = mergeBipartite(keys, 1);
    const merged = applyReduction(reduction, keys);
    const whole = attend(keys.data, new Float32Array(4).fill(1));
    const fewer = attend(merged.data, sizes);
    expect(merged.rows).toBe(3);
    expect(fewer[0]).toBeCloseTo(whole[0]!, 6);
    expect(fewer[1]).toBeCloseTo(whole[1]!, 6);
  });

  test("refuses sizes that are none", () => {
    expect(() => mergeBipartite(metric, 1, { sizes: new Float32Array(6) })).toThrow(InferenceError);
    expect(() => mergeBipartite(metric, -1)).toThrow("count: expected an integer >= 0, got -1");
  });
});

test("mergeSchedule truncates as the reference does", () => {
  const falling = [16, 14, 13, 11, 10, 8, 7, 5, 4, 2, 1, 0];
  expect(mergeSchedule(12, 8, -1)).toEqual(falling);
  expect(mergeSchedule(12, 8, 1)).toEqual([...falling].reverse());
  expect(mergeSchedule(3, 8)).toEqual([8, 8, 8]);
});

describe("mergeHalving", () => {
  test("leaves a quarter, and the distinct half of duplicates", () => {
    expect(mergeHalving(normalRows(1, 196, 8)).keep.length).toBe(49);
    const pairs = atAngles(0, 0, 90, 90, 180, 180, 270, 270);
    const { data } = applyReduction(mergeHalving(pairs, 1), pairs);
    expect([...data]).toEqual([...atAngles(0, 90, 180, 270).data]);
    expect(applyReduction(mergeHalving(pairs, 0), pairs)).toEqual(pairs);
  });

  test("takes means of means, which are not the mean of all", () => {
    // Rows 0 and 2 join row 1 in the first round, and that joins row 3 in the second.
    const features = atAngles(2, 0, 4, 40);
    const { weights, indices } = mergeHalving(features, 2);
    expect([...indices].sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    const byRow = new Map(Array.from(indices, (row, i) => [row, weights[i]!]));
    expect([0, 1, 2, 3].map((row) => byRow.get(row))).toEqual([
      expect.closeTo(1 / 6, 6),
      expect.closeTo(1 / 6, 6),
      expect.closeTo(1 / 6, 6),
      0.5,
    ]);
  });
});

function total(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** One query over two-dimensional keys that are their own values, with `log(size)` as a bias. */
function attend(keys: Float32Array, sizes: Float32Array): number[] {
  const weights = [...sizes].map(
    (size, row) => size * Math.exp(0.3 * keys[2 * row]! - 0.2 * keys[2 * row + 1]!),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  return [0, 1].map((c) => weights.reduce((y, w, row) => y + (w / sum) * keys[2 * row + c]!, 0));
}
