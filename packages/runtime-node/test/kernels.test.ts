import { plainKernels } from "@frugal/core";
import { seededRandom } from "@frugal/testkit";
import { selectMaxMin, unitRows } from "@frugal/vision-tokens";
import { expect, test } from "vitest";

import { loadKernels } from "../src/index.ts";

function rowsOf(rows: number, cols: number) {
  const random = seededRandom(7);
  return {
    data: Float32Array.from({ length: rows * cols }, () => random.next() - 0.5),
    rows,
    cols,
  };
}

test("gram has the products of plain TypeScript, symmetric to the bit", async () => {
  const kernels = await loadKernels();
  for (const [rows, cols] of [
    [1, 1],
    [37, 70],
    [130, 9],
  ] as const) {
    const x = rowsOf(rows, cols);
    const [actual, expected] = [await kernels.gram(x), await plainKernels().gram(x)];
    expect([actual.rows, actual.cols]).toEqual([rows, rows]);
    const differences = expected.data.map((value, i) => Math.abs(value - actual.data[i]!));
    expect(Math.max(...differences)).toBeLessThan(1e-5);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < i; j++) {
        expect(actual.data[i * rows + j]).toBe(actual.data[j * rows + i]);
      }
    }
  }
  expect(await kernels.gram(rowsOf(0, 5))).toEqual({ data: new Float32Array(), rows: 0, cols: 0 });
  await kernels.dispose();
  await kernels.dispose();
});

test("a selection with them is that without", async () => {
  const kernels = await loadKernels();
  const features = rowsOf(200, 64);
  const gram = await kernels.gram(unitRows(features));
  expect(selectMaxMin(features, 40, { gram }).order).toEqual(selectMaxMin(features, 40).order);
  await kernels.dispose();
});

test("refuses data of another length, and use after dispose", async () => {
  const kernels = await loadKernels();
  await expect(kernels.gram({ data: new Float32Array(5), rows: 2, cols: 3 })).rejects.toMatchObject(
    { code: "shape", message: "x: expected 6 values for 2 by 3, got 5" },
  );
  await kernels.dispose();
  await expect(kernels.gram(rowsOf(1, 1))).rejects.toMatchObject({ code: "state" });
});
