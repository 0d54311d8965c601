import { type Matrix, plainKernels } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  mergeBipartite,
  mergeIntoOutliers,
  mergeRest,
  selectCovering,
  selectMaxMin,
  selectSalientAndDistinct,
  unitRows,
} from "../../src/index.ts";
import { imageLike, normalRows } from "./fixtures.ts";

const attention = normalRows(2, 256, 1).data.map((x) => Math.exp(x) / 256);
const sizes = { dominant: 20, contextual: 40 };

/** What each method chooses, given all products or not. */
const choices: Readonly<Record<string, (x: Matrix, gram?: Matrix) => unknown>> = {
  selectMaxMin: (x, gram) => selectMaxMin(x, 40, gram && { gram }).order,
  selectCovering: (x, gram) => selectCovering(x, 40, gram).order,
  selectSalientAndDistinct: (x, gram) => selectSalientAndDistinct(attention, x, 40, 0.5, gram),
  mergeBipartite: (x, gram) => mergeBipartite(x, 100, gram && { gram }),
  mergeIntoOutliers: (x, gram) => mergeIntoOutliers(attention, x, gram && { gram }),
  mergeRest: (x, gram) => mergeRest(attention, x, gram ? { ...sizes, gram } : sizes),
};

// Long rows, so that bounds are used where products are not given.
describe.each([
  ["an image", imageLike(3, 16, 96)],
  ["noise", normalRows(4, 256, 70)],
  ["an image whose rows come twice", twice(imageLike(5, 16, 80))],
])("of %s", (_, features) => {
  test.each(Object.keys(choices))("%s chooses the same by all products", async (name) => {
    const gram = await plainKernels().gram(unitRows(features));
    expect(choices[name]!(features)).toEqual(choices[name]!(features, gram));
  });
});

test("products of other rows are refused", () => {
  const features = normalRows(1, 256, 4);
  for (const choose of Object.values(choices)) {
    expect(() => choose(features, normalRows(1, 4, 4))).toThrow("gram: expected 65536 entries");
  }
});

function twice({ data, rows, cols }: Matrix): Matrix {
  const out = data.slice();
  for (let row = 0; row + 1 < rows; row += 2) {
    out.copyWithin((row + 1) * cols, row * cols, (row + 1) * cols);
  }
  return { data: out, rows, cols };
}
