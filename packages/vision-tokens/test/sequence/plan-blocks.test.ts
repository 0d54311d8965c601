import { expect, test } from "vitest";

import { planBlocks, planSequence } from "../../src/index.ts";

const ids = Uint32Array.of(1, 9, 9, 9, 9, 2, 3, 9, 9);
const images = [
  { rows: 4, keep: Uint32Array.of(1, 2), grid: { t: 1, h: 2, w: 2 } },
  { rows: 2, keep: Uint32Array.of(0), grid: { t: 1, h: 1, w: 2 } },
];
const features = { data: Float32Array.of(10, 11, 20, 21, 30, 31), rows: 3, cols: 2 };

test("runs of text and of rows become blocks with their positions", () => {
  const plan = planSequence(ids, images, { placeholder: 9, positions: { kind: "grid" } });
  expect(planBlocks(plan, features)).toEqual([
    { tokens: Uint32Array.of(1), positions: Int32Array.of(0, 0, 0) },
    {
      embeddings: { data: Float32Array.of(10, 11, 20, 21), rows: 2, cols: 2 },
      positions: Int32Array.of(1, 1, 1, 2, 2, 1),
    },
    { tokens: Uint32Array.of(2, 3), positions: Int32Array.of(3, 4, 3, 4, 3, 4) },
    {
      embeddings: { data: Float32Array.of(30, 31), rows: 1, cols: 2 },
      positions: Int32Array.of(5, 5, 5),
    },
  ]);
  const linear = planSequence(ids, images, { placeholder: 9, positions: { kind: "linear" } });
  expect(planBlocks(linear, features).map(({ positions }) => [...positions!])).toEqual([
    [0],
    [2, 3],
    [5, 6],
    [7],
  ]);
});

test("another number of rows is refused, and so are fractions", () => {
  const plan = planSequence(ids, images, { placeholder: 9, positions: { kind: "linear" } });
  const two = { data: features.data.subarray(2), rows: 2, cols: 2 };
  expect(() => planBlocks(plan, two)).toThrow("features: expected 3 rows, got 2");
  const positions = { kind: "fractional", step: 64 } as const;
  const fractional = planSequence(ids, images, { placeholder: 9, positions });
  expect(() => planBlocks(fractional, features)).toThrow("positions in units of 1 / 256");
});
