import { InferenceError } from "@frugal/core";
import { expect, test } from "vitest";

import { localOutlierCount, localOutlierFactors } from "../../src/index.ts";
import oracle from "../oracles/grid-operators.json" with { type: "json" };

test("gives the specified factors", () => {
  const values = Float64Array.of(
    0.1,
    0.11,
    0.12,
    0.13,
    0.1,
    0.11,
    0.12,
    0.13,
    0.105,
    0.115,
    0.5,
    0.9,
  );
  const factors = localOutlierFactors(values, 3);
  const expected =
    "1.222222 0.733333 1.222222 1.133333 1.222222 0.733333 1.222222 1.133333 1.222222 1.222222 39.822222 43.688492";
  expect([...factors].map((factor) => factor.toFixed(6)).join(" ")).toBe(expected);
  expect([...factors.keys()].filter((i) => factors[i]! > 1.5)).toEqual([10, 11]);
  expect(localOutlierCount(values, 3)).toBe(2);
});

test.each(oracle.outliers)(
  "equals scikit-learn on $values.length values, $neighbors neighbors",
  (entry) => {
    const values = Float32Array.from(entry.values);
    for (const [i, factor] of localOutlierFactors(values, entry.neighbors).entries()) {
      expect(factor / entry.factors[i]!).toBeCloseTo(1, 9);
    }
    expect(localOutlierCount(values, entry.neighbors)).toBe(entry.outliers);
  },
);

test("nothing stands out of nothing, of one value, or of equal ones", () => {
  expect([...localOutlierFactors(new Float32Array(), 3)]).toEqual([]);
  expect([...localOutlierFactors(Float32Array.of(7), 3)]).toEqual([1]);
  expect([...localOutlierFactors(new Float32Array(5).fill(2), 3)]).toEqual([1, 1, 1, 1, 1]);
  expect(() => localOutlierFactors(new Float32Array(5), 0)).toThrow(
    new InferenceError("range", "neighbors: expected an integer >= 1, got 0"),
  );
});
