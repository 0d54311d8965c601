import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { findEdge } from "../src/sampling/find-edge.ts";
import { createWeighScores } from "../src/sampling/weigh-scores.ts";

describe("weighScores", () => {
  const weigh = createWeighScores();

  test("agrees with Math.exp to a few units in the last place", () => {
    const n = 200_001;
    const scores = Float64Array.from({ length: n }, (_, i) => -0.0035 * i);
    const weights = scores.slice();
    weigh(weights, n, 0, 1);
    let worst = 0;
    for (let i = 0; i < n; i++) {
      worst = Math.max(worst, Math.abs(weights[i]! / Math.exp(scores[i]!) - 1));
    }
    // Two numbers, each within a unit of the last place of the truth.
    expect(worst).toBeLessThan(8e-16);
  });

  test("the largest gets exactly 1, what is far below it exactly 0", () => {
    const scores = Float64Array.of(30, -Infinity, 30, -800);
    expect(weigh(scores, 4, 30, 0.7)).toBe(2);
    expect([...scores]).toEqual([1, 0, 1, 0]);
  });

  test("divides by the temperature and touches nothing beyond n", () => {
    const scores = Float64Array.of(1, 0, 5);
    weigh(scores, 2, 1, 2);
    expect(scores[1]).toBeCloseTo(Math.exp(-0.5), 15);
    expect(scores[2]).toBe(5);
  });

  test("gives these bits in every engine", () => {
    const scores = Float64Array.of(-0.1, -1, -Math.PI, -20, -300);
    weigh(scores, 5, 0, 1);
    const words = [...new BigUint64Array(scores.buffer)].map((word) => word.toString(16));
    expect(words).toEqual([
      "3fecf46d99d52b3b",
      "3fd78b56362cef38",
      "3fa620227b598ef9",
      "3e21b48655f37267",
      "24e245639c3a49f7",
    ]);
  });

  test("never grows as the score falls, up to rounding", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -700, max: 0, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (score, gap) => {
          const pair = Float64Array.of(score, score - gap);
          weigh(pair, 2, 0, 1);
          expect(pair[1]! <= pair[0]! * (1 + 4e-16)).toBe(true);
        },
      ),
      { seed: 1, numRuns: 1000 },
    );
  });
});

describe("findEdge", () => {
  /** The definition: sort, then take from the top. */
  const naive = (values: number[], goal: number, weighByValue: boolean) => {
    const sorted = [...values].sort((a, b) => b - a);
    let sum = 0;
    for (const [i, value] of sorted.entries()) {
      sum += weighByValue ? value : 1;
      if (sum >= goal || i === sorted.length - 1) {
        return { value, ties: sorted.slice(0, i + 1).filter((other) => other === value).length };
      }
    }
    throw new Error("empty");
  };

  test("equals sorting, with many ties and with none", () => {
    const values = fc.array(fc.nat(12), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 200 }), fc.boolean(), (list, goal, byValue) => {
        const edge = findEdge(Float64Array.from(list), list.length, goal, byValue);
        expect(edge).toEqual(naive(list, goal, byValue));
      }),
      { seed: 2, numRuns: 1000 },
    );
  });

  test("handles -Infinity and rows that are already in order", () => {
    expect(findEdge(Float64Array.of(1, -Infinity, -Infinity), 3, 2, false)).toEqual({
      value: -Infinity,
      ties: 1,
    });
    for (const sign of [1, -1]) {
      const ordered = Float64Array.from({ length: 5000 }, (_, i) => sign * i);
      const expected = sign === 1 ? 4990 : -9;
      expect(findEdge(ordered, 5000, 10, false)).toEqual({ value: expected, ties: 1 });
    }
  });
});
