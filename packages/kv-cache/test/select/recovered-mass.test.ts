import { expect, test } from "vitest";

import { recoveredByLayer, recoveredMass } from "../../src/index.ts";

test("the mass on rows is their share", () => {
  expect(recoveredMass([0.5, 0.2, 0.3], [0, 2])).toBeCloseTo(0.8, 12);
  expect(recoveredMass([2, 2, 4], [2])).toBe(0.5);
  expect(recoveredMass([0, 0], [1])).toBe(0);
});

test("a layer that looks where the later ones look recovers most", () => {
  const layer = (...rows: number[][]) => ({
    data: Float32Array.from(rows.flat()),
    rows: rows.length,
    cols: rows[0]!.length,
  });
  const weights = [
    layer([0.1, 0.9, 0], [1, 0, 0]),
    layer([0.7, 0.1, 0.2], [0, 0.2, 0.8]),
    layer([0.6, 0.3, 0.1], [0, 0.4, 0.6]),
  ];
  const [first, second] = recoveredByLayer(weights, 1);
  // Rows 1 and 0 in the layers after: .1 and 0, .3 and 0; rows 0 and 2: .6 and .6.
  expect(first).toBeCloseTo((0.1 + 0 + 0.3 + 0) / 4, 6);
  expect(second).toBeCloseTo(0.6, 6);
  expect(recoveredByLayer(weights, 3)[0]).toBeCloseTo(1, 6);
});

test("layers that disagree are refused", () => {
  const one = { data: new Float32Array(4), rows: 2, cols: 2 };
  expect(() => recoveredByLayer([one], 1)).toThrow("at least 2 layers");
  expect(() => recoveredByLayer([one, { ...one, rows: 1 }], 1)).toThrow(
    "expected [2, 2], got [1, 2]",
  );
});
