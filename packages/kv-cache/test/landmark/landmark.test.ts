import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  createRowSelector,
  groupedLandmarkSoftmax,
  insertLandmarks,
  landmarkAttention,
  landmarkPositions,
} from "../../src/index.ts";
import { geometry, randomView } from "../select/fixtures.ts";

const isRange = expect.toSatisfy((error: unknown) => InferenceError.is(error, "range"));

describe("groupedLandmarkSoftmax", () => {
  const scores = [1, 2, 0.5, 0, 1, 1, 0.2, 0.7];
  const blocks = [0, 0, 0, 1, 1, 1, 2, 2];
  const landmarks = [0, 0, 1, 0, 0, 1, 0, 0];

  test("gives the specified numbers", () => {
    const weights = groupedLandmarkSoftmax(scores, blocks, landmarks, 2);
    const expected = [0.058327, 0.158549, 0, 0.096165, 0.261402, 0, 0.160665, 0.264892];
    for (const [i, weight] of expected.entries()) expect(weights[i]).toBeCloseTo(weight, 6);
  });

  test("sums to 1; equal landmarks give their blocks equal weight", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 8, maxLength: 8 }),
        (random) => {
          const equal = random.map((score, i) => (landmarks[i] ? 1 : score));
          const weights = groupedLandmarkSoftmax(equal, blocks, landmarks, 2);
          expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
          expect(weights[0]! + weights[1]!).toBeCloseTo(weights[3]! + weights[4]!, 9);
        },
      ),
    );
  });

  test("is the softmax within the current section, its landmark included", () => {
    const weights = groupedLandmarkSoftmax([0, Math.log(2), Math.log(3)], [4, 4, 4], [0, 0, 1], 4);
    expect([...weights].map((w) => Math.round(w * 6))).toEqual([1, 2, 3]);
  });

  test("rejects blocks without one landmark, and lists that disagree", () => {
    expect(() => groupedLandmarkSoftmax([1, 2], [0, 1], [0, 0], 1)).toThrow(isRange);
    expect(() => groupedLandmarkSoftmax([1, 2], [0, 1], [1, 0], 1)).toThrow(isRange);
    expect(() => groupedLandmarkSoftmax([1, 2, 3], [0, 0, 0], [0, 1, 1], 1)).toThrow(isRange);
    expect(() => groupedLandmarkSoftmax([1, 2], [0], [0, 0], 1)).toThrow("expected 2 entries");
  });
});

describe("insertLandmarks", () => {
  test("puts one after every full block", () => {
    const ids = Uint32Array.of(1, 2, 3, 4, 5);
    expect([...insertLandmarks(ids, 99, 3)]).toEqual([1, 2, 99, 3, 4, 99, 5]);
    expect([...insertLandmarks(ids, 99, 3, 1)]).toEqual([1, 99, 2, 3, 99, 4, 5, 99]);
    expect(() => insertLandmarks(ids, 99, 1)).toThrow(isRange);
  });

  test("of a text in pieces is that of the whole", () => {
    fc.assert(
      fc.property(fc.nat(30), fc.nat(30), fc.integer({ min: 2, max: 6 }), (a, b, size) => {
        const ids = Uint32Array.from({ length: a + b }, (_, i) => i);
        const pieces = [
          ...insertLandmarks(ids.subarray(0, a), 99, size),
          ...insertLandmarks(ids.subarray(a), 99, size, a),
        ];
        expect(pieces).toEqual([...insertLandmarks(ids, 99, size)]);
      }),
    );
  });
});

describe("landmarkPositions", () => {
  test("keeps recent blocks where they are and packs older ones before them", () => {
    const { landmarks, chosen } = landmarkPositions(10, 4, 2, Uint32Array.of(3, 9));
    // The last two blocks are true; the others share the place before.
    expect([...landmarks]).toEqual([...Array<number>(8).fill(31), 35, 39]);
    expect([...chosen]).toEqual([28, 36]);
  });

  test("is the truth where every block is chosen, or the recent ones are", () => {
    expect([...landmarkPositions(3, 4, 3, Uint32Array.of(0, 1, 2)).chosen]).toEqual([0, 4, 8]);
    expect([...landmarkPositions(3, 4, 9, Uint32Array.of(0, 1, 2)).landmarks]).toEqual([3, 7, 11]);
    expect([...landmarkPositions(9, 4, 2, Uint32Array.of(7, 8)).chosen]).toEqual([28, 32]);
  });

  test("rejects blocks that are not there, and too many", () => {
    expect(() => landmarkPositions(3, 4, 2, Uint32Array.of(0, 1, 2))).toThrow(isRange);
    expect(() => landmarkPositions(3, 4, 2, Uint32Array.of(3))).toThrow(isRange);
    expect(() => landmarkPositions(3, 4, 2, Uint32Array.of(1, 1))).toThrow(isRange);
  });
});

describe("landmarkAttention", () => {
  const policy = landmarkAttention({ budget: 15, blockSize: 5, minLength: 0 });

  test("attends to whole blocks and the unfinished one, within the budget", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 16, max: 50 }), (seed, length) => {
        const selector = createRowSelector(policy, geometry);
        for (const rows of selector.select(randomView(seed, length)) as readonly Uint32Array[]) {
          const rest = length % 5;
          expect(rows).toHaveLength(5 * Math.floor((15 - rest) / 5) + rest);
          const whole = rows.subarray(0, rows.length - rest);
          for (const [i, row] of whole.entries()) expect(row % 5).toBe(i % 5);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("takes the block whose landmark attracts the query most", () => {
    const view = randomView(1, 40);
    const keys = view.keys.slice();
    for (const kvHead of [0, 1]) {
      const query = view.queries.subarray(kvHead * 2 * geometry.headDim).slice(0, geometry.headDim);
      keys.set(
        query.map((q) => 9 * q),
        (kvHead * view.capacity + 14) * geometry.headDim,
      );
    }
    const selector = createRowSelector({ ...policy, budget: 5 }, geometry);
    for (const rows of selector.select({ ...view, keys }) as readonly Uint32Array[]) {
      expect([...rows]).toEqual([10, 11, 12, 13, 14]);
    }
  });

  test("attends to everything in a block that crosses into the next landmark block", () => {
    const selector = createRowSelector(policy, geometry);
    expect(selector.select(randomView(1, 43, { rows: 2 }))).not.toBeNull();
    expect(selector.select(randomView(1, 43, { rows: 3 }))).toBeNull();
  });

  test("rejects options outside their intervals", () => {
    for (const bad of [{ budget: 0 }, { budget: 8 }, { blockSize: 1 }]) {
      expect(() => landmarkAttention({ budget: 20, blockSize: 5, ...bad })).toThrow(isRange);
    }
  });
});
