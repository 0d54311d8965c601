import { expect, test } from "vitest";

import { dot, InferenceError, plainKernels, wideDot } from "../../src/index.ts";

test("gram multiplies every row with every row", async () => {
  const data = Float32Array.of(1, 2, 3, 4, 5, 6);
  const gram = await plainKernels().gram({ data, rows: 3, cols: 2 });
  expect(gram).toEqual({
    data: Float32Array.of(5, 11, 17, 11, 25, 39, 17, 39, 61),
    rows: 3,
    cols: 3,
  });
});

test("products multiplies every row with every row of another matrix", async () => {
  const a = { data: Float32Array.of(1, 2, 3, 4), rows: 2, cols: 2 };
  const b = { data: Float32Array.of(1, 0, 0, 1, 1, 1), rows: 3, cols: 2 };
  const data = Float32Array.of(1, 2, 3, 3, 4, 7);
  expect(await plainKernels().products(a, b)).toEqual({ data, rows: 2, cols: 3 });
  await expect(plainKernels().products(a, { ...b, rows: 2, cols: 3 })).rejects.toThrow(
    new InferenceError("shape", "b: expected 2 columns, got 3"),
  );
  await expect(plainKernels().gram({ ...a, rows: 3 })).rejects.toThrow(
    new InferenceError("shape", "rows: expected 6 values for 3 by 2, got 4"),
  );
});

test("wideDot is the dot product at every length and offset", () => {
  const a = Float32Array.from({ length: 40 }, (_, i) => (i % 7) - 3);
  const b = Float32Array.from({ length: 40 }, (_, i) => (i % 5) + 1);
  for (let n = 0; n <= 35; n++) expect(wideDot(a, 1, b, 4, n)).toBe(dot(a, 1, b, 4, n));
});
