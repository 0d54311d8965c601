import { generate, type GenerateOptions } from "@frugal/decoding";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { LanguageModel } from "@frugal/core";
import { loadModel } from "../src/index.ts";
import oracle from "../../../models/texts.json";

interface Text {
  readonly prompt: string;
  readonly options: GenerateOptions;
  readonly promptIds: readonly number[];
  readonly ids: readonly number[];
}

describe("frugal-tiny writes what it writes in Node", { timeout: 60_000 }, () => {
  let model: LanguageModel;
  beforeAll(async () => {
    model = await loadModel("/models/frugal-tiny/");
  }, 60_000);
  afterAll(() => model.dispose());

  test.for(oracle.texts as readonly Text[])(
    "after $prompt, $options",
    async ({ options, promptIds, ids }) => {
      const sequence = await model.createSequence();
      const written: number[] = [];
      for await (const event of generate(sequence, Uint32Array.from(promptIds), options)) {
        if (event.type === "token-accepted") written.push(event.token);
      }
      await sequence.dispose();
      expect(written).toEqual(ids);
    },
  );
});
