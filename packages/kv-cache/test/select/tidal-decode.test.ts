import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createRowSelector, tidalDecode } from "../../src/index.ts";
import { reducedScores } from "../../src/select/tidal-decode.ts";
import { geometry, randomView, sortedTop } from "./fixtures.ts";

const isRange = expect.toSatisfy((error: unknown) => InferenceError.is(error, "range"));

describe("tidalDecode", () => {
  const policy = tidalDecode({ budget: 5, minLength: 0, selectAt: [1, 3] });

  test("shares the rows of a selection layer until the next one", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 6, max: 40 }), (seed, length) => {
        const selector = createRowSelector(policy, geometry);
        const views = [0, 1, 2, 3].map((layer) => randomView(seed + layer, length, { layer }));
        expect(selector.select(views[0]!)).toBeNull();
        expect(selector.select(views[1]!)).toBeNull();
        const shared = selector.select(views[2]!) as readonly Uint32Array[];
        for (const kvHead of [0, 1]) {
          const scores = reducedScores(geometry, views[1]!, kvHead, "max");
          expect([...shared[kvHead]!]).toEqual(sortedTop(scores, 5));
        }
        expect(selector.select(views[3]!)).toBeNull();
        const next = selector.select({ ...views[3]!, layer: 4 }) as readonly Uint32Array[];
        const scores = reducedScores(geometry, views[3]!, 0, "max");
        expect([...next[0]!]).toEqual(sortedTop(scores, 5));
      }),
      { numRuns: 30 },
    );
  });

  test("takes the specified rows", () => {
    // One head, one channel: the scaled scores are the keys.
    const shape = { layers: 2, heads: 1, kvHeads: 1, headDim: 1 };
    const selector = createRowSelector(
      tidalDecode({ budget: 2, minLength: 0, selectAt: [0] }),
      shape,
    );
    const keys = Float64Array.of(3, 1, 2, 0);
    const view = { layer: 0, rows: 1, queries: Float64Array.of(1), keys, capacity: 4, length: 4 };
    expect(selector.select(view)).toBeNull();
    const rows = selector.select({ ...view, layer: 1, keys: Float64Array.of(0, 5, 1, 0) });
    expect([...(rows as readonly Uint32Array[])[0]!]).toEqual([0, 2]);
  });

  test("reduces over query heads and rows by sum or maximum", () => {
    const view = randomView(3, 9, { rows: 2 });
    const single = [0, 1].flatMap((row) =>
      [0, 1].map((head) => {
        const at = (row * geometry.heads + head) * geometry.headDim;
        const queries = view.queries.subarray(at, at + geometry.headDim);
        const shape = { ...geometry, heads: 2 };
        const two = Float64Array.from([...queries, ...queries]);
        return reducedScores(shape, { ...view, queries: two, rows: 1 }, 0, "sum");
      }),
    );
    const sum = reducedScores(geometry, view, 0, "sum");
    const max = reducedScores(geometry, view, 0, "max");
    for (let slot = 0; slot < 9; slot++) {
      const scores = single.map((one) => one[slot]!);
      expect(sum[slot]).toBeCloseTo(
        scores.reduce((a, b) => a + b, 0),
        9,
      );
      expect(max[slot]).toBeCloseTo(Math.max(...scores), 9);
    }
  });

  test("attends to everything that fits the budget, and in long blocks", () => {
    const selector = createRowSelector(policy, geometry);
    for (const length of [0, 1, 5]) {
      for (const layer of [0, 1, 2, 3]) {
        expect(selector.select(randomView(1, length, { layer }))).toBeNull();
      }
    }
    expect(selector.select(randomView(1, 40, { layer: 1, rows: 65 }))).toBeNull();
    expect(selector.select(randomView(1, 40, { layer: 2, rows: 65 }))).toBeNull();
  });

  test("rejects options outside their intervals, and layers the model does not have", () => {
    for (const bad of [
      { selectAt: [] },
      { selectAt: [2, 2] },
      { selectAt: [-1] },
      { budget: 0 },
      { budget: 1.5 },
    ]) {
      expect(() => tidalDecode({ budget: 5, selectAt: [1], ...bad })).toThrow(isRange);
    }
    const outside = tidalDecode({ budget: 5, selectAt: [4] });
    expect(() => createRowSelector(outside, geometry)).toThrow("selectAt: expected layers below 4");
  });
});
