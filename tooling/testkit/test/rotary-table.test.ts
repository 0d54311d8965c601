import { describe, expect, test } from "vitest";

import { RotaryTable, seededRandom } from "../src/index.ts";

describe("RotaryTable", () => {
  const turn = (table: RotaryTable, head: number[], steps: number): number[] => {
    const out = new Float64Array(head.length);
    table.rotate(Float64Array.from(head), 0, steps, out, 0);
    return [...out];
  };
  const expectNear = (actual: number[], expected: number[]): void => {
    expect(actual).toHaveLength(expected.length);
    for (const [i, x] of actual.entries()) expect(x).toBeCloseTo(expected[i]!, 6);
  };

  test("turns (1, 0) by five radians at position 5, and back by three", () => {
    const table = new RotaryTable(10000, 2);
    const atFive = turn(table, [1, 0], 5);
    expectNear(atFive, [0.283662, -0.958924]);
    expectNear(turn(table, atFive, -3), [-0.416147, 0.909297]);
    expectNear(turn(table, [1, 0], 2), [-0.416147, 0.909297]);
  });

  test("pairs channel i with i + dim / 2 and slows down along the pairs", () => {
    const table = new RotaryTable(100, 4);
    expectNear(turn(table, [1, 0, 0, 0], 1), [Math.cos(1), 0, Math.sin(1), 0]);
    expectNear(turn(table, [0, 1, 0, 0], 1), [0, Math.cos(0.1), 0, Math.sin(0.1)]);
  });

  test("rotations add up, keep the norm, and zero steps change nothing", () => {
    const table = new RotaryTable(10000, 8);
    const random = seededRandom(1);
    for (let trial = 0; trial < 50; trial++) {
      const head = Array.from({ length: 8 }, () => random.next() - 0.5);
      const [a, b] = [random.below(200), random.below(200) - 100];
      const twice = turn(table, turn(table, head, a), b);
      expectNear(twice, turn(table, head, a + b));
      expectNear([Math.hypot(...twice)], [Math.hypot(...head)]);
      expect(turn(table, head, 0)).toEqual(head);
    }
  });

  test("the score of a query and a key depends on their distance only", () => {
    const table = new RotaryTable(10000, 8);
    const random = seededRandom(2);
    const [q, k] = [0, 1].map(() => Array.from({ length: 8 }, () => random.next() - 0.5));
    const score = (at: number, from: number): number => {
      const key = turn(table, k!, from);
      return turn(table, q!, at).reduce((sum, x, i) => sum + x * key[i]!, 0);
    };
    expectNear([score(9, 4), score(105, 100)], [score(5, 0), score(5, 0)]);
  });
});
