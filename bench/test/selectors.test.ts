import { plainKernels } from "@frugal/core";
import { methods, unitRows } from "@frugal/vision-tokens";
import { expect, test } from "vitest";

import { sceneOf, selectors, withProducts } from "../src/selectors.ts";

const measured = methods.filter(({ stage }) => stage === "before-decoder");

test("every method before the decoder is measured, and nothing else", () => {
  const names = measured.map((method) => method.function);
  expect(Object.keys(selectors).sort()).toEqual(names.sort());
  expect(names).toEqual(expect.arrayContaining(Object.keys(withProducts)));
});

test("methods give the same with products as without", async () => {
  const scene = sceneOf(12, 96);
  const gram = await plainKernels().gram(unitRows(scene.features));
  const orders = (result: unknown) =>
    JSON.parse(JSON.stringify({ ...(result as object), products: 0 }));
  for (const [name, choose] of Object.entries(withProducts)) {
    expect(orders(choose(scene, 0.1, gram))).toEqual(orders(selectors[name]!(scene, 0.1)));
  }
});
