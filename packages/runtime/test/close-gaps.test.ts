import fc from "fast-check";
import { expect, test } from "vitest";

import { closeGaps } from "../src/sequence/close-gaps.ts";

/** Where `closeGaps` sends the smallest and the largest number of each row. */
function close(slots: number[], rows: readonly (readonly [low: number, high: number])[]) {
  const lows = Int32Array.from(rows, ([low]) => low);
  const highs = Int32Array.from(rows, ([, high]) => high);
  const ranks = new Int32Array(200).fill(-7);
  closeGaps(Uint32Array.from(slots), lows, highs, ranks);
  return slots.map((slot) => [ranks[lows[slot]!], ranks[highs[slot]!]]);
}

test("a text, a picture of 2 x 3 and a text stay where they are", () => {
  const picture = [0, 1, 2, 1, 2, 2].map((last, i) => [2, i === 3 ? 3 : 2 + last] as const);
  const rows = [[0, 0], [1, 1], ...picture, [5, 5], [6, 6]] as const;
  const all = rows.map((_, slot) => slot);
  expect(close(all, rows)).toEqual(rows.map((row) => [...row]));
});

test("positions of dropped text disappear, a picture moves as one", () => {
  const rows = [
    [0, 0],
    [1, 1],
    [2, 2],
    [2, 4],
    [2, 3],
    [5, 5],
    [6, 6],
  ] as const;
  expect(close([1, 3, 4, 6], rows)).toEqual([
    [0, 0],
    [1, 3],
    [1, 2],
    [4, 4],
  ]);
  expect(close([], rows)).toEqual([]);
});

test("rows that overlap keep their distances, the others follow each other", () => {
  const row = fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 9 }));
  fc.assert(
    fc.property(fc.array(row, { maxLength: 12 }), (drawn) => {
      const rows = drawn.map(([low, length]) => [low, low + length] as const);
      const spanned = new Set<number>();
      for (const [low, high] of rows) for (let p = low; p <= high; p++) spanned.add(p);
      const below = (p: number): number => [...spanned].filter((other) => other < p).length;
      const slots = rows.map((_, slot) => slot);
      expect(close(slots, rows)).toEqual(rows.map(([low, high]) => [below(low), below(high)]));
      for (const [i, [low, high]] of close(slots, rows).entries()) {
        expect(high! - low!).toBe(rows[i]![1] - rows[i]![0]);
      }
    }),
    { numRuns: 300, seed: 1 },
  );
});
