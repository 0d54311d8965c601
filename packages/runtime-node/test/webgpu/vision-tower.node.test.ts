import { fileURLToPath } from "node:url";

import { describe, expect, test } from "vitest";

import { chromium, runOnWebgpu } from "./run-on-webgpu.ts";

// Masks of padding; rotary embedding, gates and windows. A process each, which compiles all kernels.
const names = ["idefics3", "qwen2-5-vl"];

describe.skipIf(chromium === undefined)("encoders on WebGPU (skipped without a driver)", () => {
  test.for(names)("%s: the rows of transformers", { timeout: 240_000 }, async (name) => {
    const folder = new URL(`../oracles/vision-language/${name}/`, import.meta.url);
    const { result } = await runOnWebgpu("compare-tower.ts", fileURLToPath(folder));
    expect((result as { difference: number }).difference).toBeLessThan(1e-4);
  });
});
