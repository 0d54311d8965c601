import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { topIndices } from "../src/index.ts";

/** By a full sort: largest first, ties to the lower index, NaN last. */
function sorted(values: readonly number[], k: number): number[] {
  return values
    .map((value, index) => ({ value, index }))
    .toSorted((a, b) => {
      const [x, y] = [Number.isNaN(a.value), Number.isNaN(b.value)];
      if (x || y) return x === y ? a.index - b.index : x ? 1 : -1;
      if (a.value !== b.value) return a.value > b.value ? -1 : 1;
      return a.index - b.index;
    })
    .slice(0, k)
    .map(({ index }) => index)
    .toSorted((a, b) => a - b);
}

const value = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(Number.NaN, Infinity, -Infinity, -0, 0),
);

describe("topIndices", () => {
  test("equals a full sort", () => {
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 40 }),
        fc.nat(45),
        fc.nat(3),
        (values, k, offset) => {
          const data = Float64Array.from([...Array<number>(offset).fill(9), ...values, 9]);
          const found = topIndices(data, offset, values.length, k);
          expect([...found]).toEqual(sorted(values, k));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("takes the lower of equal values", () => {
    expect([...topIndices(Float32Array.of(1, 1, 1, 1), 0, 4, 2)]).toEqual([0, 1]);
  });

  test("takes nothing of nothing, and everything of less than asked for", () => {
    expect(topIndices(Float32Array.of(), 0, 0, 3)).toHaveLength(0);
    expect(topIndices(Float32Array.of(1, 2), 0, 2, 0)).toHaveLength(0);
    expect([...topIndices(Float32Array.of(1, 2), 0, 2, 9)]).toEqual([0, 1]);
  });
});
