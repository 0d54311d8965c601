import { plainKernels } from "@frugal/core";
import { expectClose, seededRandom } from "@frugal/testkit";
import { expect, test } from "vitest";

import { loadKernels } from "../src/index.ts";

function rowsOf(rows: number, cols: number) {
  const random = seededRandom(7);
  const data = Float32Array.from({ length: rows * cols }, () => random.next() - 0.5);
  return { data, rows, cols };
}

test.each(["wasm", "webgpu"] as const)(
  "products on %s are those of plain TypeScript",
  async (device) => {
    const kernels = await loadKernels({ device });
    const [x, y] = [rowsOf(600, 9), rowsOf(7, 9)];
    const gram = await kernels.gram(x);
    expectClose(gram, await plainKernels().gram(x), 1e-4);
    const transposed = gram.data.map((_, i) => gram.data[(i % 600) * 600 + Math.floor(i / 600)]!);
    expect(gram.data).toEqual(transposed);
    expectClose(await kernels.products(x, y), await plainKernels().products(x, y), 1e-4);
    await kernels.dispose();
    await expect(kernels.gram(x)).rejects.toMatchObject({ code: "state" });
  },
);
