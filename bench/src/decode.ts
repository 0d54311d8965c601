import { readFile } from "node:fs/promises";

import type { LanguageModel, Sequence } from "@frugal/core";
import {
  type Drafter,
  draftModel,
  generate,
  type GenerateStats,
  promptLookup,
  suffixDrafter,
  tokenRecycling,
} from "@frugal/decoding";
import { loadModel } from "@frugal/runtime-node";
import { createTokenizer, type Tokenizer } from "@frugal/tokenizers";

import { scratch, tiny, tinyDraft } from "./models.ts";
import type { Table } from "./results.ts";
import type { Effort } from "./step-cost.ts";

const prompts = JSON.parse(
  await readFile(new URL("../prompts.json", import.meta.url), "utf8"),
) as Record<string, string[]>;

const drafts = ["none", "lookup", "suffix", "recycling", "model"] as const;
type DraftName = (typeof drafts)[number];

interface Models {
  readonly tokenizer: Tokenizer;
  readonly target: LanguageModel;
  readonly small: LanguageModel;
}

/** Sums over the generations of one kind of prompt. */
interface Sums {
  ids: number[];
  tokens: number;
  steps: number;
  /** After the first token: reading the prompt is the same for all. */
  decodeMs: number;
  elapsedMs: number;
  outsideMs: number;
}

/**
 * Decoding with each drafter: what it yields per step, what that is worth on the clock, and whether
 * the text stays the same.
 *
 * The drafters take turns on every prompt, so that a disturbance meets all of them.
 */
export async function measureDecode(effort: Effort): Promise<Table[]> {
  return [await measureInline(effort), await measureInWorker(effort)];
}

async function measureInline(effort: Effort): Promise<Table> {
  const models = await loadModels(true);
  const rows = [];
  for (const temperature of [0, 0.8]) {
    for (const kind of ["prose", "story", "copy", "json", "chat"]) {
      const texts = prompts[kind]!.slice(0, effort.repetitions);
      rows.push(...(await measureKind(models, texts, temperature, 2)).map(withKind(kind)));
    }
  }
  await disposeModels(models);
  const notes = [
    "ratio: tokens per second over those without a draft, in the same run; outside: share of the " +
      "time that is spent outside of the models' runs.",
    "frugal-tiny in fp32; frugal-tiny-draft in 8 bits, since a guess need not be exact; temperature " +
      "0.8 with top-k 40; up to 128 tokens per prompt; the engines run on the thread of the loop.",
  ];
  return { title: "Decoding with drafts", notes, rows };
}

async function measureInWorker(effort: Effort): Promise<Table> {
  const models = await loadModels(false);
  const texts = prompts["prose"]!.slice(0, effort.repetitions);
  const rows = (await measureKind(models, texts, 0, 2)).map(withKind("prose"));
  await disposeModels(models);
  const notes = [
    "The same with the engines in worker threads, the default: a step waits for two messages, which " +
      "take about a tenth of a millisecond whatever the model.",
  ];
  return { title: "With the engines in worker threads", notes, rows };
}

async function loadModels(inline: boolean): Promise<Models> {
  const models: Models = {
    tokenizer: createTokenizer(await readFile(`${tiny}/tokenizer.json`, "utf8")),
    target: await loadModel(tiny, { inline }),
    small: await loadModel(tinyDraft, { inline, quantize: "q8", cacheFolder: scratch }),
  };
  // Warms up what the first runs would pay for.
  await measureKind(models, prompts["prose"]!.slice(0, 2), 0, 1);
  return models;
}

async function disposeModels({ target, small }: Models): Promise<void> {
  await target.dispose();
  await small.dispose();
}

function withKind(kind: string) {
  return (row: Table["rows"][number]): Table["rows"][number] => ({ prompts: kind, ...row });
}

async function measureKind(
  models: Models,
  texts: readonly string[],
  temperature: number,
  rounds: number,
): Promise<Table["rows"][number][]> {
  const sums = new Map<DraftName, Sums>(
    drafts.map((name) => [
      name,
      { ids: [], tokens: 0, steps: 0, decodeMs: 0, elapsedMs: 0, outsideMs: 0 },
    ]),
  );
  for (let round = 0; round < rounds; round++) {
    for (const text of texts) {
      for (const name of drafts) {
        add(sums.get(name)!, await run(models, text, name, temperature, round));
      }
    }
  }
  const plain = sums.get("none")!;
  const speed = ({ tokens, decodeMs }: Sums): number => (tokens * 1000) / decodeMs;
  return drafts.map((name) => {
    const sum = sums.get(name)!;
    return {
      temperature,
      draft: name,
      "tokens/s": Math.round(speed(sum)),
      "tokens per step": sum.tokens / sum.steps,
      ratio: speed(sum) / speed(plain),
      "equal text": sum.ids.join() === plain.ids.join(),
      "outside %": (100 * sum.outsideMs) / sum.elapsedMs,
    };
  });
}

async function run(
  { tokenizer, target, small }: Models,
  text: string,
  name: DraftName,
  temperature: number,
  seed: number,
): Promise<{ ids: number[]; stats: GenerateStats }> {
  const sequence = await target.createSequence();
  const draftSequence = await small.createSequence();
  const drafter = createDrafter(name, draftSequence, target.info.vocabSize);
  const generation = generate(sequence, tokenizer.encode(text).ids, {
    temperature,
    topK: 40,
    seed,
    maxTokens: 128,
    ...(drafter && { drafter }),
    clock: () => performance.now(),
  });
  const ids: number[] = [];
  for await (const event of generation) {
    if (event.type === "token-accepted") ids.push(event.token);
  }
  await sequence.dispose();
  await draftSequence.dispose();
  return { ids, stats: generation.stats };
}

function createDrafter(
  name: DraftName,
  draftSequence: Sequence,
  vocabSize: number,
): Drafter | undefined {
  if (name === "none") return undefined;
  if (name === "model") return draftModel(draftSequence);
  if (name === "recycling") return tokenRecycling({ vocabSize });
  return name === "lookup" ? promptLookup() : suffixDrafter();
}

function add(sums: Sums, { ids, stats }: { ids: number[]; stats: GenerateStats }): void {
  sums.ids.push(...ids);
  sums.tokens += stats.tokens - 1;
  sums.steps += stats.targetSteps - 1;
  sums.decodeMs += stats.elapsedMs! - stats.timeToFirstTokenMs!;
  sums.elapsedMs += stats.elapsedMs!;
  sums.outsideMs += stats.outsideMs!;
}
