import { InferenceError, type Matrix } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  createRowSelector,
  headActivity,
  keepingSinks,
  landmarkAttention,
  quest,
  refreshKv,
  residualPeaks,
  sinkLogits,
  sinkMass,
  sinksAndRecent,
  sinksByAttention,
  sinksByValue,
  tidalDecode,
  tokenSelect,
  withSinks,
} from "../../src/index.ts";
import { geometry, randomView } from "../select/fixtures.ts";

const isRange = expect.toSatisfy((error: unknown) => InferenceError.is(error, "range"));

function matrix(rows: readonly (readonly number[])[]): Matrix {
  return { data: Float32Array.from(rows.flat()), rows: rows.length, cols: rows[0]!.length };
}

const attention = matrix([
  [1, 0, 0, 0],
  [0.9, 0.1, 0, 0],
  [0.8, 0.1, 0.1, 0],
  [0.7, 0.1, 0.1, 0.1],
]);

describe("sinks by attention", () => {
  test("have the specified mass and logits", () => {
    expect(sinkMass(attention)[0]).toBeCloseTo(0.8, 6);
    const logits = sinkLogits(attention);
    for (const [i, value] of [0, 2.197225, 2.079442, 1.94591].entries()) {
      expect(logits[i]).toBeCloseTo(value, 5);
    }
  });

  test("are above both bounds", () => {
    expect([...sinksByAttention(attention, { timesUniform: 3 })]).toEqual([0]);
    expect([...sinksByAttention(attention, { mass: 0.05, timesUniform: 0.1 })]).toEqual([0, 1, 2]);
    // Ten times a quarter is more than any weight.
    expect([...sinksByAttention(attention)]).toEqual([]);
    expect(() => sinkMass(matrix([[1, 0]]))).toThrow("expected [n, n], got [1, 2]");
  });
});

describe("sinks by values and hidden states", () => {
  test("have small values", () => {
    const values = matrix([
      [0.1, 0],
      [1, 1],
      [0, 2],
      [1, -1],
    ]);
    expect([...sinksByValue(values)]).toEqual([0]);
    expect([...sinksByValue(values, 0.01)]).toEqual([]);
  });

  test("have large hidden states beside the largest other", () => {
    const hidden = matrix([
      [0, 50],
      [3, 4],
      [10, 0],
    ]);
    const [a, b, c] = residualPeaks(hidden);
    expect([a, b, c]).toEqual([5, 0.1, 0.2]);
  });

  test("a row without a value, removed, scales every output by 1 / (1 - w)", () => {
    const weights = [0.8, 0.15, 0.05];
    const values = [0, 3, -2];
    const output = weights.reduce((sum, w, i) => sum + w * values[i]!, 0);
    const without = (0.15 * 3 + 0.05 * -2) / (1 - 0.8);
    expect(without / output).toBeCloseTo(5, 9);
  });
});

describe("headActivity", () => {
  test("counts the inputs on which a head is dormant", () => {
    const report = headActivity([
      [0.9, 0.1],
      [0.7, 0.3],
      [0.95, 0.2],
      [0.85, 0.85],
    ]);
    expect(report[0]!.dormant).toBe(0.75);
    expect(report[1]!.dormant).toBe(0.25);
    expect(report[1]!.sinkMass).toBeCloseTo(0.3625, 9);
    expect(() => headActivity([])).toThrow(isRange);
    expect(() => headActivity([[1], [1, 2]])).toThrow("expected 1 heads, got 2");
  });
});

describe("withSinks", () => {
  const common = { minLength: 0 } as const;
  const policies = [
    tokenSelect({ ...common, budget: 12, sinks: 1, recent: 4, reuse: null }),
    tidalDecode({ ...common, budget: 12, selectAt: [0] }),
    refreshKv({ ...common, budget: 12, sinks: 1, recent: 1, stride: 2 }),
    quest({ ...common, budget: 12, pageSize: 4, dense: 0 }),
    landmarkAttention({ ...common, budget: 12, blockSize: 5 }),
  ];

  test.each(policies)("$kind attends to them, within its budget", (policy) => {
    for (let seed = 0; seed < 20; seed++) {
      const selector = createRowSelector(withSinks(policy, [17, 19]), geometry);
      selector.select(randomView(seed, 44));
      for (let layer = 1; layer < geometry.layers; layer++)
        selector.select(randomView(seed, 44, { layer }));
      const rows =
        policy.kind === "refresh-kv"
          ? (selector.select(randomView(seed, 45)),
            selector.select(randomView(seed, 45, { layer: 1 })))
          : selector.select(randomView(seed, 44, { layer: 1 }));
      for (const list of rows instanceof Uint32Array ? [rows] : rows!) {
        expect([...list]).toEqual(expect.arrayContaining([17, 19]));
        expect(list.length).toBeLessThanOrEqual(12);
      }
    }
  });

  test("rejects what are no ascending slots, or too many", () => {
    for (const bad of [[-1], [3, 3], [0.5], Array.from({ length: 13 }, (_, i) => i)]) {
      expect(() => withSinks(policies[0]!, bad)).toThrow(isRange);
    }
  });
});

describe("keepingSinks", () => {
  test("keeps as many positions, the first ones among them", () => {
    const recent = sinksAndRecent({ sinks: 0, recent: 4, slack: 0 });
    const policy = keepingSinks(recent, 2);
    expect([...recent(10, 1)!]).toEqual([7, 8, 9]);
    expect([...policy(10, 1)!]).toEqual([0, 1, 9]);
    expect(policy(3, 1)).toBeNull();
  });

  test("changes nothing where the policy keeps them", () => {
    const inner = sinksAndRecent({ sinks: 3, recent: 4, slack: 0 });
    expect(keepingSinks(inner, 2)(10, 1)).toEqual(inner(10, 1));
  });

  test("refuses a policy that keeps fewer positions", () => {
    const policy = keepingSinks(() => Uint32Array.of(5), 2);
    expect(() => policy(10, 1)).toThrow(isRange);
    expect(() => keepingSinks(() => null, -1)).toThrow(isRange);
  });
});
