import { expectClose, readSafetensors } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { loadModel, openFiles } from "../src/index.ts";

// Computed by transformers; Vite serves the repository.
const oracles = "/packages/runtime-node/test/oracles/packed-weights/";

describe.for([
  ["gptq", "wasm"],
  ["awq", "webgpu"],
] as const)("weights packed by %s, on %s", ([name, device]) => {
  const folder = `${oracles}${name}/`;

  test("give the logits of the numbers that they stand for", { timeout: 60_000 }, async () => {
    const golden = readSafetensors(
      await openFiles(folder).read("golden.safetensors", 0, Number.MAX_SAFE_INTEGER),
    );
    const tokens = Uint32Array.from(golden.integers.get("input_ids")!.data);
    const { shape, data } = golden.tensors.get("logits")!;
    const model = await loadModel(folder, { device, inline: true, accuracyLevel: 1 });
    const sequence = await model.createSequence();
    const { logits } = await sequence.step({ tokens }, { logits: "all" });
    await model.dispose();
    expectClose(logits!, { data, rows: shape[0]!, cols: shape[1]! }, 1e-4);
  });

  test("are not quantized again", async () => {
    const load = loadModel(folder, { inline: true, quantize: "q8" });
    await expect(load).rejects.toMatchObject({ name: "InferenceError", code: "range" });
  });
});
