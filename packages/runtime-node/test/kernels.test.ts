import { plainKernels } from "@frugal/core";
import { seededRandom } from "@frugal/testkit";
import {
  mergeBipartite,
  mergeIntoOutliers,
  mergeRest,
  selectCovering,
  selectMaxMin,
  selectSalientAndDistinct,
  unitRows,
} from "@frugal/vision-tokens";
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
    [600, 3],
  ] as const) {
    const x = rowsOf(rows, cols);
    const [actual, expected] = [await kernels.gram(x), await plainKernels().gram(x)];
    expect([actual.rows, actual.cols]).toEqual([rows, rows]);
    const differences = expected.data.map((value, i) => Math.abs(value - actual.data[i]!));
    expect(differences.reduce((a, b) => Math.max(a, b), 0)).toBeLessThan(1e-5);
    const transposed = actual.data.map(
      (_, i) => actual.data[(i % rows) * rows + Math.floor(i / rows)]!,
    );
    expect(actual.data).toEqual(transposed);
  }
  expect(await kernels.gram(rowsOf(0, 5))).toEqual({ data: new Float32Array(), rows: 0, cols: 0 });
  await kernels.dispose();
  await kernels.dispose();
});

test("products has those of plain TypeScript, in blocks of rows or not", async () => {
  const kernels = await loadKernels();
  for (const [rows, others, cols] of [
    [0, 3, 4],
    [3, 2, 0],
    [5, 7, 33],
    [1030, 4, 5],
  ] as const) {
    const [a, b] = [rowsOf(rows, cols), rowsOf(others, cols)];
    const [actual, expected] = [await kernels.products(a, b), await plainKernels().products(a, b)];
    expect([actual.rows, actual.cols]).toEqual([rows, others]);
    expect(actual.data.length).toBe(rows * others);
    for (const [i, value] of expected.data.entries()) expect(actual.data[i]).toBeCloseTo(value, 5);
  }
  await expect(kernels.products(rowsOf(2, 3), rowsOf(2, 4))).rejects.toMatchObject({
    code: "shape",
    message: "b: expected 3 columns, got 4",
  });
  await kernels.dispose();
});

test("choices with them are those without", async () => {
  const kernels = await loadKernels();
  const features = rowsOf(200, 80);
  const attention = Float32Array.from({ length: 200 }, (_, i) => ((i * 37) % 101) / 101);
  const gram = await kernels.gram(unitRows(features));
  expect(selectMaxMin(features, 40, { gram }).order).toEqual(selectMaxMin(features, 40).order);
  expect(selectCovering(features, 40, gram).order).toEqual(selectCovering(features, 40).order);
  expect(selectSalientAndDistinct(attention, features, 40, 0.5, gram)).toEqual(
    selectSalientAndDistinct(attention, features, 40),
  );
  expect(mergeBipartite(features, 90, { gram }).reduction).toEqual(
    mergeBipartite(features, 90).reduction,
  );
  expect(mergeIntoOutliers(attention, features, { gram })).toEqual(
    mergeIntoOutliers(attention, features),
  );
  const sizes = { dominant: 30, contextual: 10 };
  expect(mergeRest(attention, features, { ...sizes, gram })).toEqual(
    mergeRest(attention, features, sizes),
  );
  await kernels.dispose();
});

test("refuses data of another length, and use after dispose", async () => {
  const kernels = await loadKernels();
  await expect(kernels.gram({ data: new Float32Array(5), rows: 2, cols: 3 })).rejects.toMatchObject(
    { code: "shape", message: "rows: expected 6 values for 2 by 3, got 5" },
  );
  await kernels.dispose();
  await expect(kernels.gram(rowsOf(1, 1))).rejects.toMatchObject({ code: "state" });
});
