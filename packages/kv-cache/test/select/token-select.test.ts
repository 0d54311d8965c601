import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createRowSelector, type LayerView, softVotes, tokenSelect } from "../../src/index.ts";
import { maxPool } from "../../src/select/token-select.ts";
import { geometry, randomView, sortedTop } from "./fixtures.ts";

/** Two heads whose scaled scores for five rows are the golden ones: one channel per row. */
const golden: LayerView = {
  layer: 0,
  rows: 1,
  queries: Float64Array.of(8, 0, 7, 0, 0, 0, 3, 0, 2.9, 1),
  keys: Float64Array.from({ length: 2 * 25 }, (_, i) =>
    Math.floor((i % 25) / 5) === i % 5 ? Math.sqrt(5) : 0,
  ),
  capacity: 5,
  length: 5,
};
const goldenShape = { layers: 1, heads: 2, kvHeads: 2, headDim: 5 };

describe("softVotes", () => {
  test("gives the specified numbers", () => {
    const votes = softVotes(goldenShape, golden, 0, 5);
    for (const [i, vote] of [0.753789, 0.46759, 0.292011, 0.423116, 0.063493].entries()) {
      expect(votes[i]).toBeCloseTo(vote, 6);
    }
    const pooled = maxPool(votes, 3);
    for (const [i, vote] of [0.753789, 0.753789, 0.46759, 0.423116, 0.423116].entries()) {
      expect(pooled[i]).toBeCloseTo(vote, 6);
    }
  });

  test("stops one loud head from taking all places", () => {
    const policy = tokenSelect({ sinks: 0, recent: 0, budget: 2, minLength: 0, reuse: null });
    expect([...createRowSelector(policy, goldenShape).select(golden)!]).toEqual([0, 1]);
  });

  test("sums to the number of heads, whatever their order", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 40 }), (seed, length) => {
        const view = randomView(seed, length);
        const votes = softVotes(geometry, view, 0, length);
        expect(votes.reduce((a, b) => a + b, 0)).toBeCloseTo(geometry.heads, 9);
        const width = geometry.headDim;
        const queries = view.queries.slice();
        queries.copyWithin(0, width, 2 * width);
        queries.set(view.queries.subarray(0, width), width);
        const swapped = softVotes(geometry, { ...view, queries }, 0, length);
        for (const [i, vote] of votes.entries()) expect(swapped[i]).toBeCloseTo(vote, 12);
      }),
      { numRuns: 30 },
    );
  });

  test("reads KV head floor(h / R)", () => {
    const view = randomView(1, 8);
    const keys = view.keys.slice().fill(0, 0, view.capacity * geometry.headDim);
    // The first two query heads read the first KV head, whose keys are 0: uniform votes.
    const queries = view.queries.slice().fill(0, 2 * geometry.headDim);
    const votes = softVotes(geometry, { ...view, keys, queries }, 0, 8);
    for (const vote of votes) expect(vote).toBeCloseTo(4 / 8, 12);
  });
});

describe("tokenSelect", () => {
  const options = { sinks: 2, recent: 4, budget: 12, minLength: 0 };

  test("takes the sinks, the recent rows and the largest votes between", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 13, max: 60 }), (seed, length) => {
        const view = randomView(seed, length);
        const selector = createRowSelector(tokenSelect({ ...options, reuse: null }), geometry);
        const votes = softVotes(geometry, view, 2, length - 4);
        const expected = [
          0,
          1,
          ...sortedTop(votes, 6).map((i) => i + 2),
          ...[4, 3, 2, 1].map((back) => length - back),
        ];
        expect([...selector.select(view)!]).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  test("attends to everything that fits the budget, and to short caches", () => {
    const selector = createRowSelector(tokenSelect({ ...options, minLength: 30 }), geometry);
    for (const length of [0, 1, 12, 29]) expect(selector.select(randomView(3, length))).toBeNull();
    expect(selector.select(randomView(3, 30))).not.toBeNull();
  });

  test("selects once for a block, with the mean of its queries", () => {
    const view = randomView(4, 40, { rows: 3 });
    const width = geometry.heads * geometry.headDim;
    const mean = Float64Array.from({ length: width }, (_, c) => {
      const { queries } = view;
      return queries[c]! / 3 + queries[width + c]! / 3 + queries[2 * width + c]! / 3;
    });
    const select = (seen: LayerView): number[] => {
      const selector = createRowSelector(tokenSelect({ ...options, reuse: null }), geometry);
      return [...(selector.select(seen) as Uint32Array)];
    };
    expect(select(view)).toEqual(select({ ...view, queries: mean, rows: 1 }));
  });

  test("reuses a choice for a like query and keeps every row since", () => {
    const selector = createRowSelector(tokenSelect({ ...options, reuse: 0.99 }), geometry);
    const view = randomView(5, 40);
    const at = (length: number, queries = view.queries): number[] => [
      ...(selector.select({ ...view, queries, length }) as Uint32Array),
    ];
    const first = at(36);
    expect(first.slice(-2)).toEqual([34, 35]);
    // Two more rows: the same choice, and the rows since then.
    expect(at(38)).toEqual([...first, 36, 37]);
    // Another query chooses anew, before the same tail.
    const turned = at(
      38,
      view.queries.map((q) => -q),
    );
    expect(turned.slice(-4)).toEqual([34, 35, 36, 37]);
    expect(turned).not.toEqual([...first, 36, 37]);
    // More than `recent` rows since: everything is chosen anew.
    expect(at(39).slice(-2)).toEqual([37, 38]);
    expect(at(39).length).toBeLessThanOrEqual(options.budget);
  });

  test("chooses anew after a rollback into what was chosen from", () => {
    const selector = createRowSelector(tokenSelect({ ...options, reuse: -1 }), geometry);
    const view = randomView(6, 40);
    selector.select({ ...view, length: 30 });
    selector.keep(Uint32Array.from({ length: 20 }, (_, i) => i));
    const rows = selector.select({ ...view, length: 21 }) as Uint32Array;
    expect(rows.at(-1)).toBe(20);
    expect(new Set(rows).size).toBe(rows.length);
  });

  test("rows that are no numbers are chosen last", () => {
    const view = randomView(7, 30);
    const keys = view.keys.slice();
    for (const head of [0, 1]) {
      const at = (head * view.capacity + 10) * geometry.headDim;
      keys.fill(Number.NaN, at, at + geometry.headDim);
    }
    const selector = createRowSelector(tokenSelect({ ...options, reuse: null }), geometry);
    expect([...(selector.select({ ...view, keys }) as Uint32Array)]).not.toContain(10);
  });

  test("rejects options outside their intervals", () => {
    const isRange = expect.toSatisfy((error: unknown) => InferenceError.is(error, "range"));
    for (const bad of [
      { budget: 0 },
      { budget: 6 },
      { budget: Number.NaN },
      { sinks: -1 },
      { recent: 0.5 },
      { pooling: 2 },
      { reuse: 1.5 },
      { reuse: Number.NaN },
      { minLength: -1 },
      { maxRows: 0 },
    ]) {
      expect(() => tokenSelect({ ...options, ...bad })).toThrow(isRange);
    }
  });
});
