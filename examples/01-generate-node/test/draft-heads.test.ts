import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { LanguageModel } from "@frugal/core";
import { constantLength, generate, type GenerateOptions, greedy } from "@frugal/decoding";
import { sinksAndRecent } from "@frugal/kv-cache";
import { loadDraftHead, loadModel } from "@frugal/runtime-node";
import { createTokenizer } from "@frugal/tokenizers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { openHead } from "../src/open-head.ts";

const models = fileURLToPath(new URL("../../../models/", import.meta.url));
const targetFolder = join(models, "frugal-tiny");
const prompts = [
  "Once upon a time there lived",
  "Story: Long ago there was a little fox called Rosie.",
  "<|user|>Tell me a short story about a mouse named Otto.<|end|><|assistant|>",
];

let target: LanguageModel;
let root: string;
beforeAll(async () => {
  target = await loadModel(targetFolder, { inline: true });
  root = await mkdtemp(join(tmpdir(), "frugal-heads-"));
});
afterAll(async () => {
  await target.dispose();
  await rm(root, { recursive: true, force: true });
});

/** A copy of a head whose weights are those of no training: the bytes of the tensors in reverse. */
async function untrained(name: string): Promise<string> {
  const folder = join(root, name);
  await cp(join(models, name), folder, { recursive: true });
  const file = join(folder, "model.safetensors");
  const bytes = await readFile(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const values = new Uint16Array(Uint8Array.from(bytes.subarray(start)).buffer).toReversed();
  await writeFile(file, Buffer.concat([bytes.subarray(0, start), Buffer.from(values.buffer)]));
  return folder;
}

/** Ids and tokens per step over the prompts, with the head of a folder or without any. */
async function complete(
  folder: string | null,
  options: GenerateOptions,
): Promise<{ ids: number[]; tokensPerStep: number }> {
  const tokenizer = createTokenizer(await readFile(join(targetFolder, "tokenizer.json"), "utf8"));
  const head = folder === null ? null : await loadDraftHead(folder, targetFolder);
  const ids: number[] = [];
  let steps = 0;
  for (const prompt of prompts) {
    const sequence = await target.createSequence();
    const open = head && (await openHead(head, options.cache ?? null));
    const given = { ...options, maxTokens: 32, ...(open && { drafter: open.drafter }) };
    const generation = generate(sequence, tokenizer.encode(prompt).ids, given);
    for await (const event of generation) {
      if (event.type === "token-accepted") ids.push(event.token);
    }
    steps += generation.stats.targetSteps;
    await open?.dispose();
    await sequence.dispose();
  }
  await (head?.kind === "medusa" ? head.heads : head?.model)?.dispose();
  return { ids, tokensPerStep: ids.length / steps };
}

describe.for([
  ["frugal-tiny-medusa", 1.6],
  ["frugal-tiny-eagle", 2],
] as const)("%s", { timeout: 60_000 }, ([name, least]) => {
  test("drafts better than an untrained head, and neither changes the text", async () => {
    const options = { verifier: greedy(), draftLength: constantLength(12) };
    const plain = await complete(null, options);
    const trained = await complete(join(models, name), options);
    const random = await complete(await untrained(name), options);
    expect(trained.ids).toEqual(plain.ids);
    expect(random.ids).toEqual(plain.ids);
    expect(random.tokensPerStep).toBeLessThan(1.3);
    expect(trained.tokensPerStep).toBeGreaterThan(least);
  });

  test("leaves drawn text as it is, in a window of the cache too", async () => {
    const drawn = { temperature: 0.8, topK: 40, seed: 3 };
    for (const options of [drawn, { ...drawn, cache: sinksAndRecent({ sinks: 4, recent: 16 }) }]) {
      const plain = await complete(null, options);
      const drafted = await complete(join(models, name), options);
      expect(drafted.ids).toEqual(plain.ids);
      expect(drafted.tokensPerStep).toBeGreaterThan(1.1);
    }
  });
});
