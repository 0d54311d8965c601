import { expect, test } from "vitest";

import { dot, plainKernels, wideDot } from "../../src/index.ts";

test("gram multiplies every row with every row", async () => {
  const data = Float32Array.of(1, 2, 3, 4, 5, 6);
  const gram = await plainKernels().gram({ data, rows: 3, cols: 2 });
  expect(gram).toEqual({
    data: Float32Array.of(5, 11, 17, 11, 25, 39, 17, 39, 61),
    rows: 3,
    cols: 3,
  });
});

test("wideDot is the dot product at every length and offset", () => {
  const a = Float32Array.from({ length: 40 }, (_, i) => (i % 7) - 3);
  const b = Float32Array.from({ length: 40 }, (_, i) => (i % 5) + 1);
  for (let n = 0; n <= 35; n++) expect(wideDot(a, 1, b, 4, n)).toBe(dot(a, 1, b, 4, n));
});
