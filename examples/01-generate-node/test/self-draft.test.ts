import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { type LanguageModel, philox } from "@frugal/core";
import {
  constantLength,
  earlyExitSelfDraft,
  generate,
  type GenerateOptions,
  kangaroo,
  type SelfDraft,
} from "@frugal/decoding";
import { sinksAndRecent } from "@frugal/kv-cache";
import { loadModel } from "@frugal/runtime-node";
import { createTokenizer } from "@frugal/tokenizers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = new URL("../../../", import.meta.url);
const model = fileURLToPath(new URL("models/frugal-tiny", root));
const trained = fileURLToPath(new URL("models/frugal-tiny-kangaroo", root));
const exit = 2;

const all = Object.values(
  JSON.parse(await readFile(new URL("bench/prompts.json", root), "utf8")) as Record<
    string,
    string[]
  >,
).flat();
const prompts = all.filter((_, i) => i % 15 === 0);
const tokenizer = createTokenizer(await readFile(join(model, "tokenizer.json"), "utf8"));

/** The trained adapter's file with its matrices replaced by noise. */
async function writeRandomAdapter(folder: string): Promise<void> {
  const file = await readFile(join(trained, "model.safetensors"));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const random = philox(1);
  // bfloat16 of either sign between 2^-7 and 2^-5.
  for (let at = start; at < file.length; at += 2) {
    const bits = Math.floor(512 * random.uniform(at));
    file.writeUInt16LE(((bits & 256) << 7) | (0x3c00 + (bits & 255)), at);
  }
  await writeFile(join(folder, "model.safetensors"), file);
  await writeFile(join(folder, "config.json"), await readFile(join(trained, "config.json")));
}

let folder: string;
let models: Record<"whole" | "shallow" | "deep" | "trained" | "random", LanguageModel>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "frugal-test-"));
  await writeRandomAdapter(folder);
  const options = { inline: true, threads: 1 } as const;
  models = {
    whole: await loadModel(model, options),
    shallow: await loadModel(model, { ...options, layers: [0, exit] }),
    deep: await loadModel(model, { ...options, layers: [exit] }),
    trained: await loadModel(trained, { ...options, adapterOf: model }),
    random: await loadModel(folder, { ...options, adapterOf: model }),
  };
});
afterAll(async () => {
  for (const one of Object.values(models)) await one.dispose();
  await rm(folder, { recursive: true });
});

type Method = "kangaroo" | "random adapter" | "layerskip";

async function openSelfDraft(method: Method, threshold: number): Promise<SelfDraft> {
  const [shallow, deep] = [
    await models.shallow.createSequence(),
    await models.deep.createSequence(),
  ];
  if (method === "layerskip") return earlyExitSelfDraft({ shallow, deep }, { threshold });
  const adapter = method === "kangaroo" ? models.trained : models.random;
  return kangaroo({ shallow, deep, adapter: await adapter.createSequence() }, { threshold });
}

interface Answers {
  readonly ids: readonly (readonly number[])[];
  /** Accepted of all drafted tokens. */
  readonly acceptance: number;
  readonly tokensPerStep: number;
}

/** The answers to some prompts. */
async function answer(
  method: Method | null,
  options: GenerateOptions,
  threshold = 0,
): Promise<Answers> {
  const answers: number[][] = [];
  const sum = { drafted: 0, accepted: 0, tokens: 0, targetSteps: 0 };
  for (const prompt of prompts) {
    const { sequence, drafter } =
      method === null
        ? { sequence: await models.whole.createSequence(), drafter: null }
        : await openSelfDraft(method, threshold);
    const generation = generate(sequence, tokenizer.encode(prompt).ids, {
      maxTokens: 24,
      seed: 1,
      ...options,
      ...(drafter && { drafter, draftLength: constantLength(4) }),
    });
    const ids: number[] = [];
    for await (const event of generation) {
      if (event.type === "token-accepted") ids.push(event.token);
    }
    answers.push(ids);
    const { stats } = generation;
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += stats[name];
    await sequence.dispose();
  }
  const acceptance = sum.drafted === 0 ? 0 : sum.accepted / sum.drafted;
  return { ids: answers, acceptance, tokensPerStep: sum.tokens / sum.targetSteps };
}

describe("a model that drafts for itself", { timeout: 120_000 }, () => {
  test.for([
    ["sampled", { temperature: 0.8, topK: 40 }],
    ["in a window", { cache: sinksAndRecent({ sinks: 4, recent: 20 }), stopIds: [] }],
  ] as const)("writes the same text %s", async ([, options]) => {
    const plain = await answer(null, options);
    for (const method of ["kangaroo", "random adapter", "layerskip"] as const) {
      expect((await answer(method, options)).ids).toEqual(plain.ids);
    }
  });

  test("writes the same text greedily, guessing best with the trained adapter", async () => {
    const plain = await answer(null, {});
    const drafted = {
      kangaroo: await answer("kangaroo", {}),
      random: await answer("random adapter", {}),
      layerskip: await answer("layerskip", {}),
      unsure: await answer("kangaroo", {}, 0.6),
    };
    for (const { ids } of Object.values(drafted)) expect(ids).toEqual(plain.ids);
    if (process.env["MEASURE"] !== undefined) {
      process.stdout.write(
        `${JSON.stringify(drafted, (key, value) => (key === "ids" ? undefined : (value as unknown)))}\n`,
      );
    }
    const { kangaroo: trainedOne, random, layerskip, unsure } = drafted;
    expect(trainedOne.acceptance).toBeGreaterThan(random.acceptance + 0.1);
    expect(trainedOne.acceptance).toBeGreaterThan(layerskip.acceptance + 0.1);
    expect(unsure.acceptance).toBeGreaterThan(trainedOne.acceptance);
  });
});
