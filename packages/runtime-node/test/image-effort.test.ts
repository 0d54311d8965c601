import type { Block, ImageEffort, Sequence, StepOutput } from "@frugal/core";
import { expectClose, type ReferenceConfig, seededRandom, tinyConfig } from "@frugal/testkit";
import { skipLayers } from "@frugal/vision-tokens";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

const config: ReferenceConfig = { ...tinyConfig, layers: 4, heads: 6, kvHeads: 2 };
const random = await writeRandomModel(config);
afterAll(random.remove);
const { vocabSize, intermediateSize } = config;

const someHeads = [
  [1, 1, 1, 1, 1, 1],
  [1, 0, 1, 0, 0, 1],
  [0, 0, 0, 1, 1, 1],
  [0, 0, 0, 0, 0, 0],
].map((mask) => Uint8Array.from(mask));
const allHeads = someHeads.map((mask) => mask.map(() => 1));
const half = Math.floor(intermediateSize / 2);
const skip = { layers: [1, 3] } as const;

const efforts: Readonly<Record<string, ImageEffort>> = {
  "a reach of 1": { reach: 1 },
  "a reach of 0": { reach: 0 },
  "blind heads": { heads: someHeads },
  "fewer channels": { channels: [intermediateSize, half, 0, 1] },
  "no attention of images": { skips: { ...skip, part: "attention", rows: "images" } },
  "no MLP of images": { skips: { ...skip, part: "mlp", rows: "images" } },
  "no blocks of images": { skips: { ...skip, part: "block", rows: "images" } },
  "no blocks of any row": { skips: { ...skip, part: "block", rows: "all" } },
  "consecutive blocks": {
    skips: { layers: [1, 2], part: "block", rows: "images" },
  },
  "no MLP of any row": { skips: { ...skip, part: "mlp", rows: "all" } },
  "all of it": {
    reach: 2,
    heads: someHeads,
    channels: [half, half, half, half],
    skips: skipLayers(4, { interval: 2, part: "block" }),
  },
};

/** Text, an image of 3 lines of 4 rows, text, an image of 2 lines of 3 rows, and text. */
function promptOf(seed: number): Block {
  const tokens = seededRandom(seed).tokens(26, vocabSize);
  const images = [
    { from: 2, to: 14, width: 4 },
    { from: 17, to: 23, width: 3 },
  ];
  return { tokens, images };
}

async function open(effort?: ImageEffort) {
  const model = await loadModel(random.folder, {
    inline: true,
    chunk: 7,
    ...(effort && { effort }),
  });
  return { model, sequence: await model.createSequence() };
}

describe("an effort for images", () => {
  test.for(Object.entries(efforts))("agrees with the reference: %s", async ([, effort]) => {
    const { model, sequence } = await open(effort);
    const reference = await random.reference({ effort, chunkRows: 64 });
    const pair: Sequence[] = [sequence, await reference.createSequence()];
    const both = async (run: (sequence: Sequence) => Promise<StepOutput>): Promise<void> => {
      const [actual, expected] = [await run(pair[0]!), await run(pair[1]!)];
      expectClose(actual.logits!, expected.logits!, 1e-4);
    };
    await both((one) => one.step(promptOf(1), { logits: "all" }));
    const tokens = seededRandom(2).tokens(8, vocabSize);
    for (const token of tokens) {
      await both((one) => one.step({ tokens: Uint32Array.of(token) }, { logits: "last" }));
    }
    await both((one) => one.step({ tokens }, { logits: "all" }));
    const kept = seededRandom(3).subset(sequence.length, 0.6);
    for (const one of pair) await one.keep(kept);
    for (const [i, one] of pair.entries()) pair[i] = await one.fork();
    const parents = Int32Array.of(-1, 0, 0, 2, 1, 3, 0, 6);
    await both((one) => one.step({ tokens, parents }, { logits: "all" }));
    await model.dispose();
  });

  test.for([
    ["nothing", {}],
    ["all heads", { heads: allHeads }],
    ["all channels", { channels: [0, 1, 2, 3].map(() => intermediateSize) }],
    ["an interval above the layers", { skips: skipLayers(4, { interval: 9 }) }],
  ] as const)("that spares nothing is the model, bit for bit: %s", async ([, effort]) => {
    const [plain, spared] = [await open(), await open(effort)];
    const [expected, actual] = [
      await plain.sequence.step(promptOf(4), { logits: "all" }),
      await spared.sequence.step(promptOf(4), { logits: "all" }),
    ];
    expect(actual.logits!.data).toEqual(expected.logits!.data);
    await plain.model.dispose();
    await spared.model.dispose();
  });

  test("does nothing to a text without images", async () => {
    const effort: ImageEffort = { ...efforts["all of it"]! };
    const [plain, spared] = [await open(), await open(effort)];
    const { tokens } = promptOf(5);
    const [expected, actual] = [
      await plain.sequence.step({ tokens: tokens! }, { logits: "all" }),
      await spared.sequence.step({ tokens: tokens! }, { logits: "all" }),
    ];
    expectClose(actual.logits!, expected.logits!, 1e-6);
    await plain.model.dispose();
    await spared.model.dispose();
  });

  test("works in a range of layers, by the model's numbers", async () => {
    const effort = efforts["all of it"]!;
    const { model, sequence } = await open(effort);
    const expected = await sequence.step(promptOf(6), { logits: "last" });
    const options = { inline: true, effort } as const;
    const first = await loadModel(random.folder, { ...options, layers: [0, 1], head: false });
    const rest = await loadModel(random.folder, { ...options, layers: [1] });
    const [a, b] = [await first.createSequence(), await rest.createSequence()];
    const { taps } = await a.step(promptOf(6), { logits: "none", taps: [1] });
    const { images } = promptOf(6);
    const block = { embeddings: taps[0]!, images: images! };
    expectClose((await b.step(block, { logits: "last" })).logits!, expected.logits!, 1e-5);
    for (const one of [model, first, rest]) await one.dispose();
  });

  test.for([
    [{ reach: -1 }, "range", "reach: expected"],
    [{ heads: allHeads.slice(1) }, "shape", "heads: expected 4 layers, got 3"],
    [{ heads: allHeads.map((mask) => mask.slice(1)) }, "shape", "heads[0]: expected 6 times"],
    [{ channels: [1, 1, 1, 9999] }, "range", "channels[3]: expected"],
    [{ skips: { ...skip, layers: [0], part: "mlp", rows: "all" } }, "range", "skips"],
    [{ skips: { ...skip, layers: [4], part: "mlp", rows: "all" } }, "range", "skips"],
  ] as const)("is refused where it does not fit the model: %o", async ([effort, code, message]) => {
    const load = loadModel(random.folder, { inline: true, effort });
    await expect(load).rejects.toMatchObject({ code });
    await expect(load).rejects.toThrow(message);
  });

  test("refuses images that it cannot see", async () => {
    const { model, sequence } = await open({ reach: 1 });
    const tokens = seededRandom(7).tokens(6, vocabSize);
    const step = (images: Block["images"], parents?: Int32Array) =>
      sequence.step({ tokens, images: images!, ...(parents && { parents }) }, { logits: "none" });
    const code = (wanted: string) => ({ code: wanted });
    await expect(step([{ from: 0, to: 4 }])).rejects.toMatchObject(code("unsupported"));
    await expect(step([{ from: 0, to: 4, width: 3 }])).rejects.toMatchObject(code("unsupported"));
    await expect(step([{ from: 4, to: 7, width: 3 }])).rejects.toMatchObject(code("range"));
    const chain = Int32Array.of(-1, 0, 1, 2, 3, 4);
    const image = [{ from: 0, to: 4, width: 2 }];
    await expect(step(image, chain)).rejects.toMatchObject(code("unsupported"));
    expect(sequence.length).toBe(0);
    await model.dispose();
    const beside = { inline: true, effort: { reach: 1 }, scores: "attention" } as const;
    await expect(loadModel(random.folder, beside)).rejects.toMatchObject(code("unsupported"));
  });
});
