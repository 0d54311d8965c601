import { InferenceError, type Matrix, plainKernels } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { selectMaxMin, unitRows } from "../../src/index.ts";
import { atAngles, imageLike, normalRows } from "./fixtures.ts";

const golden = atAngles(0, 5, 90, 92, 180, 250);

describe("selectMaxMin", () => {
  test.each([
    [1, [4], Infinity],
    [2, [4, 0], 2],
    [3, [4, 0, 2], 1],
    [4, [4, 0, 2, 5], 0.65798],
  ])("chooses %i as specified", async (count, order, value) => {
    const result = selectMaxMin(golden, count);
    expect([...result.order]).toEqual(order);
    expect([...result.keep]).toEqual([...order].sort());
    const reached = smallestDistance(await gramOf(golden), order);
    expect(value === Infinity ? reached : Number(reached.toFixed(6))).toBe(value);
  });

  test("equals comparing everything with everything, with products at hand or without", async () => {
    const levels = fc.array(
      fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 3, maxLength: 3 }),
      {
        minLength: 1,
        maxLength: 14,
      },
    );
    await fc.assert(
      fc.asyncProperty(levels, fc.double({ min: 0, max: 1, noNaN: true }), async (list, part) => {
        // Small integers: many duplicates, opposites and rows of zeros.
        const features = { data: Float32Array.from(list.flat()), rows: list.length, cols: 3 };
        const count = Math.round(part * list.length);
        const gram = await gramOf(features);
        const expected = naive(gram, count);
        expect([...selectMaxMin(features, count).order]).toEqual(expected);
        expect([...selectMaxMin(features, count, { gram }).order]).toEqual(expected);
        expect(new Set(expected).size).toBe(count);
      }),
    );
  });

  test("equals it on a whole image, with an eighth of the products", async () => {
    const features = imageLike(3, 24, 96);
    const gram = await gramOf(features);
    const { order, products } = selectMaxMin(features, 58);
    expect([...order]).toEqual(naive(gram, 58));
    expect(8 * products).toBeLessThan(naiveProducts(576, 58));
  });

  test("is within a quarter of the best, and not always the best", async () => {
    const best = bestValue(await gramOf(golden), 3);
    expect(best).toBeCloseTo(1.034899, 5);
    for (let seed = 0; seed < 60; seed++) {
      const features = normalRows(seed, 9, 3);
      const gram = await gramOf(features);
      const count = 2 + (seed % 4);
      const reached = smallestDistance(gram, selectMaxMin(features, count).order);
      expect(reached).toBeGreaterThanOrEqual(bestValue(gram, count) / 4);
      expect(reached).toBeLessThanOrEqual(bestValue(gram, count));
    }
  });

  test("chooses no duplicate twice, and only candidates", () => {
    const same = { data: new Float32Array(10).fill(1), rows: 5, cols: 2 };
    expect([...selectMaxMin(same, 5).order]).toEqual([0, 1, 2, 3, 4]);
    const candidates = Uint32Array.of(0, 1, 3, 5);
    const { keep } = selectMaxMin(golden, 3, { candidates });
    expect([...keep].every((row) => candidates.includes(row))).toBe(true);
    expect([...selectMaxMin(golden, 4, { candidates }).keep]).toEqual([...candidates]);
  });

  test("does not depend on the lengths of rows", () => {
    const features = normalRows(1, 40, 6);
    const longer = features.data.map((x, i) => x * 2 ** (Math.floor(i / 6) % 5));
    expect(selectMaxMin({ ...features, data: longer }, 12).order).toEqual(
      selectMaxMin(features, 12).order,
    );
  });

  test("refuses what makes no sense", () => {
    const bad = { data: Float32Array.of(1, 2, Number.NaN, 4), rows: 2, cols: 2 };
    expect(() => selectMaxMin(bad, 1)).toThrow(
      new InferenceError("range", "features: expected finite numbers, got NaN in row 1"),
    );
    expect(() => selectMaxMin(golden, 7)).toThrow("count: expected an integer in [0, 6], got 7");
    expect(() => selectMaxMin(golden, 1, { gram: golden })).toThrow("gram: expected 36 entries");
    expect([...selectMaxMin(golden, 0).keep]).toEqual([]);
  });
});

function gramOf(features: Matrix): Promise<Matrix> {
  return plainKernels().gram(unitRows(features));
}

function distance({ data, cols }: Matrix, i: number, j: number): number {
  return 1 - data[i * cols + j]!;
}

/** Farthest first by the definition: all distances, all rows, at every step. */
function naive(gram: Matrix, count: number): number[] {
  const rows = [...Array(gram.rows).keys()];
  const chosen: number[] = [];
  while (chosen.length < count) {
    const value = (i: number) => {
      const others = chosen.length === 0 ? rows.filter((j) => j !== i) : chosen;
      return Math.min(...others.map((j) => distance(gram, i, j)));
    };
    const left = rows.filter((i) => !chosen.includes(i));
    const values = left.map(value);
    chosen.push(left[values.indexOf(Math.max(...values))]!);
  }
  return chosen;
}

function naiveProducts(n: number, count: number): number {
  let products = (n * (n - 1)) / 2;
  for (let chosen = 1; chosen < count; chosen++) products += n - chosen;
  return products;
}

function smallestDistance(gram: Matrix, rows: ArrayLike<number>): number {
  let least = Infinity;
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < i; j++) least = Math.min(least, distance(gram, rows[i]!, rows[j]!));
  }
  return least;
}

/** The best smallest distance of any `count` rows, by enumeration. */
function bestValue(gram: Matrix, count: number): number {
  let best = -Infinity;
  for (let mask = 0; mask < 1 << gram.rows; mask++) {
    const rows = [...Array(gram.rows).keys()].filter((i) => mask & (1 << i));
    if (rows.length === count) best = Math.max(best, smallestDistance(gram, rows));
  }
  return best;
}
