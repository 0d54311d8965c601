import { generate, type GenerateOptions } from "@frugal/decoding";
import type { LanguageModel, LogitsWanted } from "@frugal/core";
import { expectClose, testLanguageModel, tinyConfig } from "@frugal/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import oracle from "../../../models/texts.json";
import { loadModel } from "../src/index.ts";
import { randomModel } from "./random-model.ts";
import { countBuffers, countLaunches, watchDevices } from "./watch-devices.ts";

// Chromium's software adapter: what is checked is that results are right, not that they come soon. On
// this thread models share the compiled kernels, which are most of what loading takes.
const here = { device: "webgpu", inline: true } as const;
const devices = watchDevices();

interface Text {
  readonly prompt: string;
  readonly options: GenerateOptions;
  readonly promptIds: readonly number[];
  readonly ids: readonly number[];
}

const grouped = randomModel({ ...tinyConfig, heads: 6, kvHeads: 2 });
testLanguageModel(
  "a model with grouped queries on WebGPU",
  () => loadModel(grouped.files, { ...here, chunk: 16 }),
  { reference: grouped.reference, trees: 20 },
);

describe("a small model on WebGPU", () => {
  const { files, reference } = randomModel({ ...tinyConfig, maxLength: 2048 });
  let model: LanguageModel;
  beforeAll(async () => {
    model = await loadModel(files, here);
  });
  afterAll(() => model.dispose());

  test("forgets a row of NaN that is rolled back, also in the buffers of later sequences", async () => {
    const after = async (poison: boolean): Promise<Float32Array> => {
      const sequence = await model.createSequence();
      await sequence.step({ tokens: Uint32Array.of(1, 2) }, { logits: "none" });
      if (poison) {
        const cols = tinyConfig.hiddenSize;
        const embeddings = { data: new Float32Array(9 * cols).fill(Number.NaN), rows: 9, cols };
        await sequence.step({ embeddings }, { logits: "none" });
        await sequence.keep(Uint32Array.of(0, 1));
      }
      const { logits } = await sequence.step({ tokens: Uint32Array.of(5) }, { logits: "last" });
      await sequence.dispose();
      return logits!.data;
    };
    const clean = await after(false);
    expect(clean.every(Number.isFinite)).toBe(true);
    expect(await after(true)).toEqual(clean);
    expect(await after(false)).toEqual(clean);
  });

  test("grows its cache past every capacity of buffers", { timeout: 120_000 }, async () => {
    const sequence = await model.createSequence();
    const expected = await (await reference()).createSequence();
    const tokens = Uint32Array.from({ length: 600 }, (_, i) => (i * 7 + (i >> 3)) % 32);
    for (const [from, to] of [
      [0, 200],
      [200, 300],
      [300, 599],
      [599, 600],
    ]) {
      const block = { tokens: tokens.subarray(from, to) };
      const { logits } = await sequence.step(block, { logits: "last" });
      expectClose(logits!, (await expected.step(block, { logits: "last" })).logits!, 1e-4);
    }
    await sequence.dispose();
  });

  test("has as many buffers after 200 generations as after 20", { timeout: 120_000 }, async () => {
    const buffers = countBuffers();
    const generations = async (count: number): Promise<number> => {
      for (let i = 0; i < count; i++) {
        const sequence = await model.createSequence();
        const prompt = Uint32Array.from({ length: 3 + (i % 5) }, (_, j) => (i + j) % 32);
        await sequence.step({ tokens: prompt }, { logits: { top: 1 } });
        const fork = await sequence.fork();
        await fork.step({ tokens: Uint32Array.of(i % 32) }, { logits: { top: 1 } });
        await sequence.keep(Uint32Array.of(0, 2));
        await sequence.step({ tokens: Uint32Array.of(3) }, { logits: { top: 1 } });
        await sequence.dispose();
        await fork.dispose();
      }
      return buffers.live();
    };
    const early = await generations(20);
    expect(await generations(180)).toBeLessThanOrEqual(early);
    buffers.stop();
  });
});

describe("frugal-tiny on WebGPU", { timeout: 300_000 }, () => {
  let model: LanguageModel;
  beforeAll(async () => {
    model = await loadModel("/models/frugal-tiny/", here);
  }, 300_000);
  afterAll(() => model.dispose());

  test("finds the best id in a few launches, and does not sort", async () => {
    const sequence = await model.createSequence();
    const launches = countLaunches();
    const used = async (logits: LogitsWanted): Promise<number> => {
      const before = launches.count();
      await sequence.step({ tokens: Uint32Array.of(3) }, { logits });
      return launches.count() - before;
    };
    const rest = await used("last");
    const best = (await used({ top: 1 })) - rest;
    const sorted = (await used({ top: 2 })) - rest;
    launches.stop();
    await sequence.dispose();
    expect(best).toBeLessThan(10);
    expect(sorted).toBeGreaterThan(best);
  });

  // A greedy and a seeded one: the adapter computes some tokens a second.
  const texts = oracle.texts as readonly Text[];
  const seeded = texts.find(({ options }) => options.seed !== undefined)!;
  test.for([texts[0]!, seeded])(
    "begins the text of Node after $prompt, $options",
    async ({ options, promptIds, ids }) => {
      const maxTokens = 16;
      const sequence = await model.createSequence();
      const written: number[] = [];
      const prompt = Uint32Array.from(promptIds);
      for await (const event of generate(sequence, prompt, { ...options, maxTokens })) {
        if (event.type === "token-accepted") written.push(event.token);
      }
      await sequence.dispose();
      expect(written).toEqual(ids.slice(0, maxTokens));
    },
  );
});

test("layers with a sliding window see on WebGPU what they see on WebAssembly", async () => {
  const fields = { model_type: "mistral", sliding_window: 8 };
  const { files } = randomModel(tinyConfig, fields);
  const logits: Float32Array[] = [];
  for (const device of ["wasm", "webgpu"] as const) {
    const model = await loadModel(files, { device, inline: true });
    const sequence = await model.createSequence();
    const tokens = Uint32Array.from({ length: 20 }, (_, i) => (i * 5) % 32);
    const parents = Int32Array.of(-1, 0, 0, 2, -1);
    const draft = { tokens: Uint32Array.of(1, 2, 3, 4, 5), parents };
    const outputs = [
      await sequence.step({ tokens }, { logits: "all" }),
      await sequence.step({ tokens: Uint32Array.of(9) }, { logits: "all" }),
      await sequence.step(draft, { logits: "all" }),
    ];
    logits.push(Float32Array.from(outputs.flatMap((output) => [...output.logits!.data])));
    await model.dispose();
  }
  const [expected, actual] = logits.map((data) => ({ data, rows: 1, cols: data.length }));
  expectClose(actual!, expected!, 1e-4);
});

describe("a lost device", { timeout: 120_000 }, () => {
  const { files } = randomModel();
  const step = { tokens: Uint32Array.of(1) };

  test("ends the model on this thread, while a step runs; another can be loaded", async () => {
    const model = await loadModel(files, here);
    const sequence = await model.createSequence();
    const run = () => sequence.step(step, { logits: "last" }).catch((thrown: unknown) => thrown);
    const running = run();
    await lose();
    for (const error of [await running, await run()]) {
      expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
      expect((error as Error).message).toContain("the WebGPU device was lost");
    }
    await model.dispose();
    const another = await loadModel(files, here);
    await another.dispose();
  });

  test("ends the model in a worker", async () => {
    const ort = new URL("./losing-ort.ts", import.meta.url);
    const model = await loadModel(files, { device: "webgpu", ort });
    const sequence = await model.createSequence();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- channels have none
    new BroadcastChannel("lose the device").postMessage(null);
    const failure = await vi.waitUntil(
      () =>
        sequence.step(step, { logits: "none" }).then(
          () => null,
          (error: unknown) => error,
        ),
      { timeout: 30_000 },
    );
    expect(failure).toMatchObject({ name: "InferenceError", code: "backend" });
    expect((failure as Error).message).toContain("the WebGPU device was lost");
    await model.dispose();
  });
});

describe("loadModel refuses", () => {
  const { files } = randomModel();
  afterEach(() => vi.unstubAllGlobals());

  const noDevice = async () => {
    throw new Error("out of memory");
  };
  const poor = { features: new Set(), limits: {}, requestDevice: noDevice };
  test.for<[string, object, string]>([
    ["a browser without WebGPU", {}, "this browser has no WebGPU"],
    ["a browser without adapter", { gpu: { requestAdapter: async () => null } }, "no adapter"],
    ["an adapter without device", { gpu: { requestAdapter: async () => poor } }, "out of memory"],
  ])("%s, with the reason", async ([, navigator, reason]) => {
    await lose();
    vi.stubGlobal("navigator", navigator);
    const load = loadModel(files, here);
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

/** So that another one is asked for. */
async function lose(): Promise<void> {
  devices.at(-1)!.destroy();
  await devices.at(-1)!.lost;
}
