import type { Matrix } from "@frugal/core";
import { expectClose, testLanguageModel } from "@frugal/testkit";
import { afterEach, describe, expect, test, vi } from "vitest";

import { loadModel } from "../src/index.ts";
import { randomModel } from "./random-model.ts";

// Chromium's software adapter: what is checked is that results are right, not that they come soon.
const { files, reference } = randomModel();
testLanguageModel(
  "a small model on WebGPU",
  () => loadModel(files, { device: "webgpu", chunk: 16 }),
  { reference },
);

test(
  "weights stored in 16 bits give what they give on WebAssembly",
  { timeout: 60_000 },
  async () => {
    const logits: Matrix[] = [];
    for (const device of ["wasm", "webgpu"] as const) {
      const model = await loadModel("/models/frugal-tiny-draft/", { device });
      const sequence = await model.createSequence();
      const output = await sequence.step({ tokens: Uint32Array.of(5, 6, 7) }, { logits: "all" });
      logits.push(output.logits!);
      await model.dispose();
    }
    expectClose(logits[1]!, logits[0]!, 1e-3);
  },
);

test("a lost device ends the model, and another can be loaded", { timeout: 60_000 }, async () => {
  const ort = new URL("./losing-ort.ts", import.meta.url);
  const model = await loadModel(files, { device: "webgpu", ort });
  const sequence = await model.createSequence();
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- channels have none
  new BroadcastChannel("lose the device").postMessage(null);
  const step = () => sequence.step({ tokens: Uint32Array.of(1) }, { logits: "none" });
  const failure = await vi.waitUntil(
    () =>
      step().then(
        () => null,
        (error: unknown) => error,
      ),
    {
      timeout: 30_000,
    },
  );
  expect(failure).toMatchObject({ name: "InferenceError", code: "backend" });
  expect((failure as Error).message).toContain("the WebGPU device was lost");
  await model.dispose();
  const another = await loadModel(files, { device: "webgpu" });
  await another.dispose();
});

describe("loadModel refuses", () => {
  afterEach(() => vi.unstubAllGlobals());

  test.for<[string, object, string]>([
    ["a browser without WebGPU", {}, "this browser has no WebGPU"],
    ["a browser without adapter", { gpu: { requestAdapter: async () => null } }, "no adapter"],
  ])("%s, with the reason", async ([, navigator, reason]) => {
    vi.stubGlobal("navigator", navigator);
    const load = loadModel(files, { device: "webgpu", inline: true });
    const error: unknown = await load.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "InferenceError", code: "unsupported" });
    expect((error as Error).message).toContain(reason);
  });

  test("a device that it does not know", async () => {
    const error: unknown = await loadModel(files, { device: "cuda" as "wasm" }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ name: "InferenceError", code: "unsupported" });
    expect((error as Error).message).toBe('device: expected "wasm" or "webgpu", got "cuda"');
  });
});
