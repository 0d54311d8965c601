import { expect, test } from "vitest";

import * as package_ from "../src/index.ts";

const { methods, usableMethods } = package_;

test("every method is a function of the package, once", () => {
  const exports: Readonly<Record<string, unknown>> = package_;
  for (const method of methods) expect(exports[method.function]).toBeTypeOf("function");
  expect(new Set(methods.map((method) => method.function)).size).toBe(methods.length);
});

test("ordinary exports give features only", () => {
  const names = (...signals: package_.Signal[]) => usableMethods(signals).map(({ name }) => name);
  expect(names("features")).toEqual([
    "Token Merging",
    "DyCoke, first stage",
    "AIM, first stage",
    "DivPrune",
    "Efficient video sampling",
  ]);
  expect(names("class-attention")).toEqual(["FasterVLM", "GlobalCom²"]);
  expect(names("class-attention", "keys")).toEqual([
    "LLaVA-PruMerge",
    "FasterVLM",
    "VisionZip",
    "GlobalCom²",
  ]);
  expect(names("pixels")).toEqual(["ShowUI"]);
  expect(names()).toEqual([]);
});
