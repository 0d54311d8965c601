import { expect, test } from "vitest";

import * as package_ from "../src/index.ts";

const { methods, usableMethods } = package_;

test("every method is a function of the package, once", () => {
  const exports: Readonly<Record<string, unknown>> = package_;
  for (const method of methods) expect(exports[method.function]).toBeTypeOf("function");
  expect(new Set(methods.map((method) => method.function)).size).toBe(methods.length);
});

test("lists what an export can supply, and nothing else", () => {
  const names = (...signals: package_.Signal[]) => usableMethods(signals).map(({ name }) => name);
  expect(names("features")).toEqual(
    expect.arrayContaining(["DivPrune", "FLoC", "FrameFusion, first stage; A-ToMe"]),
  );
  expect(names("features")).not.toContain("FasterVLM");
  expect(names("class-attention")).toEqual(expect.arrayContaining(["FasterVLM", "GlobalCom²"]));
  expect(names("class-attention")).not.toContain("VisionZip");
  expect(names("class-attention", "keys")).toContain("VisionZip");
  expect(names("pixels")).toContain("ShowUI");
  for (const { name, needs } of methods) expect(names(...needs)).toContain(name);
  expect(usableMethods([]).every(({ needs }) => needs.length === 0)).toBe(true);
});
