import { readFile } from "node:fs/promises";

import type { LanguageModel, Matrix } from "@frugal/core";
import {
  createReferenceTransformer,
  expectClose,
  loadReferenceWeights,
  rowsOf,
  seededRandom,
} from "@frugal/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";
import { goldenTexts, tinyFolder, tinyModels } from "./tiny-models.ts";

describe.for(tinyModels)("trees on %s", (name) => {
  let model: LanguageModel;
  beforeAll(async () => {
    model = await loadModel(tinyFolder(name), { inline: true });
  });
  afterAll(() => model.dispose());

  test("give every row the logits of its path alone", { timeout: 60_000 }, async () => {
    const random = seededRandom(11);
    const { vocabSize } = model.info;
    const text = goldenTexts()[1]!.subarray(0, 12);
    const base = await model.createSequence();
    await base.step({ tokens: text }, { logits: "none" });
    for (let trial = 0; trial < 100; trial++) {
      const parents = random.parents(2 + random.below(5));
      const tokens = random.tokens(parents.length, vocabSize);
      const tree = await base.fork();
      const { logits } = await tree.step({ tokens, parents }, { logits: "all" });
      await tree.dispose();
      const leaf = parents.length - 1;
      const path: number[] = [];
      for (let row = leaf; row >= 0; row = parents[row]!) path.unshift(row);
      const chain = await base.fork();
      const alone = await chain.step(
        { tokens: Uint32Array.from(path, (row) => tokens[row]!) },
        { logits: "all" },
      );
      await chain.dispose();
      for (const [depth, row] of path.entries()) {
        expectClose(rowsOf(logits!, row), rowsOf(alone.logits!, depth), 1e-4);
      }
    }
    await base.dispose();
  });
});

describe("keep on frugal-tiny-draft", () => {
  let model: LanguageModel;
  let reference: LanguageModel;
  beforeAll(async () => {
    const folder = tinyFolder("frugal-tiny-draft");
    model = await loadModel(folder, { inline: true });
    const config = await readFile(new URL("config.json", folder), "utf8");
    const weights = await readFile(new URL("model.safetensors", folder));
    reference = createReferenceTransformer(loadReferenceWeights(config, weights));
  });
  afterAll(() => model.dispose());

  test.for(["cache-relative", "absolute"] as const)(
    "of random rows is what the reference makes of it, with %s positions",
    { timeout: 60_000 },
    async (positions) => {
      const random = seededRandom(12);
      const text = Uint32Array.from(goldenTexts().flatMap((part) => [...part]));
      for (let trial = 0; trial < 6; trial++) {
        const sequences = [
          await model.createSequence({ positions }),
          await reference.createSequence({ positions }),
        ] as const;
        const onBoth = async (act: (s: (typeof sequences)[number]) => Promise<Matrix | void>) => {
          const [actual, expected] = [await act(sequences[0]), await act(sequences[1])];
          if (actual && expected) expectClose(actual, expected, 1e-3);
        };
        const step = (tokens: Uint32Array) =>
          onBoth(async (sequence) => (await sequence.step({ tokens }, { logits: "last" })).logits!);
        await step(text);
        for (let round = 0; round < 3; round++) {
          const slots = random.subset(sequences[0].length, 0.7);
          await onBoth((sequence) => sequence.keep(slots));
          await step(random.tokens(1 + random.below(4), model.info.vocabSize));
        }
        expect(sequences[0].length).toBe(sequences[1].length);
        await onBoth((sequence) => sequence.dispose());
      }
    },
  );
});
