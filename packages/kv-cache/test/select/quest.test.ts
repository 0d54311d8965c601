import { InferenceError, PageBounds } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createRowSelector, pageScores, quest } from "../../src/index.ts";
import { geometry, randomView } from "./fixtures.ts";

describe("pageScores", () => {
  const shape = { layers: 1, heads: 1, kvHeads: 1, headDim: 2 };
  const view = {
    layer: 0,
    rows: 1,
    queries: Float64Array.of(1, -2),
    keys: Float64Array.of(1, 0, 2, 1, 0, -1, 3, 2, -1, -1, 0, 0),
    capacity: 6,
    length: 6,
  };

  test("gives the specified numbers", () => {
    const bounds = new PageBounds(1, 2, 2);
    bounds.extend(view);
    expect([...pageScores(shape, view, bounds, 0)]).toEqual([2, 5, 2]);
    const policy = quest({ budget: 3, minLength: 0, pageSize: 2, dense: 0 });
    const rows = createRowSelector(policy, shape).select(view) as readonly Uint32Array[];
    expect([...rows[0]!]).toEqual([2, 3]);
  });

  test("is never below a product with a key of the page, and equal with one key", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 5 }), (seed, pageSize) => {
        const random = randomView(seed, 17, { rows: 2 });
        const bounds = new PageBounds(geometry.kvHeads, geometry.headDim, pageSize);
        bounds.extend(random);
        for (const kvHead of [0, 1]) {
          for (const [page, score] of pageScores(geometry, random, bounds, kvHead).entries()) {
            const best = largestProduct(random, kvHead, page * pageSize, pageSize);
            expect(score).toBeGreaterThanOrEqual(best - 1e-5);
            expect(pageSize > 1 || Math.abs(score - best) < 1e-4).toBe(true);
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});

/** The largest unscaled product of a KV head's queries with the keys of `count` slots. */
function largestProduct(
  { queries, keys, rows, capacity }: ReturnType<typeof randomView>,
  kvHead: number,
  from: number,
  count: number,
): number {
  const { heads, kvHeads, headDim } = geometry;
  let best = -Infinity;
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) {
      if (Math.floor((head * kvHeads) / heads) !== kvHead) continue;
      for (let slot = from; slot < from + count; slot++) {
        let sum = 0;
        for (let c = 0; c < headDim; c++) {
          const q = queries[(row * heads + head) * headDim + c]!;
          sum += q * keys[(kvHead * capacity + slot) * headDim + c]!;
        }
        best = Math.max(best, sum);
      }
    }
  }
  return best;
}

describe("quest", () => {
  const policy = quest({ budget: 11, minLength: 0, pageSize: 4, dense: 1 });

  test("takes whole pages and the one that is being filled, within the budget", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 12, max: 50 }), (seed, length) => {
        const selector = createRowSelector(policy, geometry);
        expect(selector.select(randomView(seed, length, { layer: 0 }))).toBeNull();
        const view = randomView(seed, length, { layer: 1 });
        for (const rows of selector.select(view) as readonly Uint32Array[]) {
          const rest = length % 4;
          const whole = rows.subarray(0, rows.length - rest);
          expect(rows.length).toBeLessThanOrEqual(11);
          expect(rows.length).toBeGreaterThan(11 - 4);
          expect([...rows.subarray(rows.length - rest)]).toEqual(
            Array.from({ length: rest }, (_, i) => length - rest + i),
          );
          for (const [i, row] of whole.entries()) expect(row % 4).toBe(i % 4);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("forgets the bounds of rows that were rolled back", () => {
    const before = randomView(1, 30, { layer: 1 });
    const after = randomView(2, 30, { layer: 1 });
    const keys = before.keys.slice();
    for (const head of [0, 1]) {
      const at = head * before.capacity * geometry.headDim;
      const from = at + 10 * geometry.headDim;
      const to = at + before.capacity * geometry.headDim;
      keys.set(after.keys.subarray(from, to), from);
    }
    const selector = createRowSelector(policy, geometry);
    selector.select(before);
    selector.keep(Uint32Array.from({ length: 10 }, (_, i) => i));
    const fresh = createRowSelector(policy, geometry);
    expect(selector.select({ ...before, keys })).toEqual(fresh.select({ ...before, keys }));
  });

  test("rejects options outside their intervals", () => {
    const isRange = expect.toSatisfy((error: unknown) => InferenceError.is(error, "range"));
    for (const bad of [{ budget: 0 }, { budget: 6 }, { pageSize: 0 }, { dense: -1 }]) {
      expect(() => quest({ budget: 20, pageSize: 4, ...bad })).toThrow(isRange);
    }
  });
});
