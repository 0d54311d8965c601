import type { Weight } from "@frugal/runtime";
import { parseModelConfig } from "@frugal/runtime";
import { llamaConfigJson, tinyConfig } from "@frugal/testkit";
import { expect, test } from "vitest";

import { widenWeights } from "../src/widen-weights.ts";

// 1 and -2 in every type, stored the other way round than they are listed.
const path = "model.safetensors";
const data = new Uint8Array([
  ...new Uint8Array(Float32Array.of(1, -2).buffer),
  ...new Uint8Array(Uint16Array.of(0x3c00, 0xc000).buffer),
  ...new Uint8Array(Uint16Array.of(0x3f80, 0xc000).buffer),
]);
const weight = (dtype: string, offset: number, length: number): Weight => ({
  dtype,
  shape: [2],
  location: path,
  offset,
  length,
});
const weights = new Map([
  ["brain", weight("BF16", 12, 4)],
  ["half", weight("F16", 8, 4)],
  ["single", weight("F32", 0, 8)],
]);
const config = parseModelConfig(llamaConfigJson(tinyConfig));
const opened = {
  config,
  checkpoint: { weights, quantization: null },
  files: [{ path, data }],
};

test.for([
  [true, ["F32", "F16", "F32"]],
  [false, ["F32", "F32", "F32"]],
] as const)("types that a device lacks become float32, float16: %o", ([hasFloat16, types]) => {
  const { checkpoint, files } = widenWeights(opened, hasFloat16);
  const names = ["single", "half", "brain"];
  const wide = names.map((name) => checkpoint.weights.get(name)!);
  expect(wide.map(({ dtype }) => dtype)).toEqual(types);
  for (const [i, { dtype, location, offset, length }] of wide.entries()) {
    const before = wide[i - 1];
    expect(offset).toBe(before === undefined ? 0 : before.offset + before.length);
    const file = files.find((each) => each.path === location)!;
    const { buffer } = file.data.slice(offset, offset + length);
    const values = dtype === "F32" ? new Float32Array(buffer) : new Uint16Array(buffer);
    expect([...values]).toEqual(dtype === "F32" ? [1, -2] : [0x3c00, 0xc000]);
  }
});

test("weights that a device has stay in their files", () => {
  const single = new Map([["single", weights.get("single")!]]);
  const all = { ...opened, checkpoint: { weights: single, quantization: null } };
  expect(widenWeights(all, false)).toBe(all);
});
