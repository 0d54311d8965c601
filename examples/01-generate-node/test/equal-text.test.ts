import { readFileSync } from "node:fs";

import type { LanguageModel } from "@frugal/core";
import { generate, type GenerateOptions } from "@frugal/decoding";
import { sinksAndRecent } from "@frugal/kv-cache";
import { loadModel } from "@frugal/runtime-node";
import { createTokenizer } from "@frugal/tokenizers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  createModelFree,
  createWithModel,
  isModelFree,
  isWithModel,
  modelDrafters,
  modelFreeDrafters,
} from "../src/drafters.ts";

const root = new URL("../../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");
const prompts = Object.values(
  JSON.parse(read("bench/prompts.json")) as Record<string, string[]>,
).flat();
const tokenizer = createTokenizer(read("models/frugal-tiny/tokenizer.json"));

let target: LanguageModel;
let small: LanguageModel;
beforeAll(async () => {
  target = await loadModel(new URL("models/frugal-tiny", root), { inline: true });
  small = await loadModel(new URL("models/frugal-tiny-draft", root), { inline: true });
});
afterAll(async () => {
  await target.dispose();
  await small.dispose();
});

/** Ids that follow a prompt, with a drafter by name. */
async function complete(
  prompt: string,
  draft: string,
  options: GenerateOptions,
): Promise<number[]> {
  const sequence = await target.createSequence();
  const draftSequence = await small.createSequence();
  const { cache } = options;
  const { ids } = tokenizer.encode(prompt);
  const drafter = isWithModel(draft)
    ? createWithModel(draft, draftSequence, cache ?? null)
    : isModelFree(draft)
      ? createModelFree(draft, target.info.vocabSize, ids)
      : undefined;
  const generation = generate(sequence, ids, {
    ...options,
    ...(drafter && { drafter }),
  });
  const answer: number[] = [];
  for await (const event of generation) {
    if (event.type === "token-accepted") answer.push(event.token);
  }
  await sequence.dispose();
  await draftSequence.dispose();
  return answer;
}

test("there are 66 prompts", () => expect(new Set(prompts).size).toBe(66));

// The setting the model's own generation_config.json recommends, and greedy.
const settings = {
  greedy: {},
  sampled: { temperature: 0.8, topK: 40 },
} satisfies Record<string, GenerateOptions>;

describe.for(Object.entries(settings))("%s text", ([, sampling]) => {
  test.for([1, 2, 3])(
    "is the same with every drafter, for seed %i",
    { timeout: 120_000 },
    async (seed) => {
      for (const prompt of prompts) {
        const options = { ...sampling, seed, maxTokens: 32 };
        const plain = await complete(prompt, "none", options);
        for (const draft of ["lookup", "model"] as const) {
          expect(await complete(prompt, draft, options), `${draft}: ${prompt}`).toEqual(plain);
        }
      }
    },
  );
});

test.for([...Object.keys(modelFreeDrafters), ...Object.keys(modelDrafters)])(
  "%s drafts leave the text as it is",
  { timeout: 60_000 },
  async (draft) => {
    for (const prompt of prompts.filter((_, i) => i % 30 === 0)) {
      for (const sampling of Object.values(settings)) {
        const options = { ...sampling, seed: 1, maxTokens: 24 };
        const plain = await complete(prompt, "none", options);
        expect(await complete(prompt, draft, options), `${draft}: ${prompt}`).toEqual(plain);
      }
    }
  },
);

describe("a window", () => {
  const cache = sinksAndRecent({ sinks: 4, recent: 124 });
  const options: GenerateOptions = { cache, temperature: 0.8, topK: 40, stopIds: [], seed: 1 };

  test(
    "carries a text past the model's context in bounded memory",
    { timeout: 60_000 },
    async () => {
      const sequence = await target.createSequence();
      const ids = tokenizer.encode(prompts[0]!).ids;
      const generation = generate(sequence, ids, { ...options, maxTokens: 1400, logprobs: 0 });
      let longest = 0;
      const surprise = { early: 0, late: 0 };
      let count = 0;
      for await (const event of generation) {
        longest = Math.max(longest, sequence.length);
        if (event.type !== "token-accepted") continue;
        if (++count <= 100) surprise.early -= event.logprobs!.model / 100;
        if (count > 1300) surprise.late -= event.logprobs!.model / 100;
      }
      expect(count).toBe(1400);
      expect(count).toBeGreaterThan(target.info.maxLength);
      expect(longest).toBeLessThanOrEqual(128);
      // Positions that ran away would show as a text the model itself finds absurd.
      expect(surprise.late).toBeLessThan(surprise.early + 1);
      await sequence.dispose();
    },
  );

  test("gives the same text with every drafter", { timeout: 60_000 }, async () => {
    const long = { ...options, maxTokens: 300 };
    const plain = await complete(prompts[0]!, "none", long);
    expect(plain).toHaveLength(300);
    expect(await complete(prompts[0]!, "lookup", long)).toEqual(plain);
    expect(await complete(prompts[0]!, "model", long)).toEqual(plain);
    expect(await complete(prompts[0]!, "recycling", long)).toEqual(plain);
  });
});
