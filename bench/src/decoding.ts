import { readFile } from "node:fs/promises";

import type { Sequence } from "@frugal/core";
import { type Drafter, generate, type GenerateOptions, type GenerateStats } from "@frugal/decoding";
import { createTokenizer, type Tokenizer } from "@frugal/tokenizers";

import {
  createDraftMethods,
  type DraftMethod,
  type DraftModels,
  loadDraftModels,
} from "./draft-methods.ts";
import { tiny } from "./models.ts";
import type { Cell, Table } from "./results.ts";
import type { Effort } from "./step-cost.ts";

const prompts = JSON.parse(
  await readFile(new URL("../prompts.json", import.meta.url), "utf8"),
) as Record<string, string[]>;

const kinds = ["prose", "copy", "code", "json"] as const;

/** Most prompts of a kind, so that the suite stays well below ten minutes. */
const mostPrompts = 6;

/** Sums over the texts of one method on one kind of prompt. */
interface Sums {
  tokens: number;
  steps: number;
  /** After the first token: reading the prompt is the same for all. */
  decodeMs: number;
  elapsedMs: number;
  /** Of it what was spent beside the models. */
  outsideMs: number;
  isEqual: boolean;
}

/**
 * Every way to draft of the example program: what it yields per step of the target, what that is
 * worth on the clock, and whether the text stays the same.
 *
 * The methods take turns on every prompt, so that a disturbance meets all of them. No prompt comes
 * twice, and none of the methods knows any before.
 */
export async function measureDecoding(effort: Effort): Promise<Table[]> {
  const tokenizer = createTokenizer(await readFile(`${tiny}/tokenizer.json`, "utf8"));
  const models = await loadDraftModels();
  const count = Math.min(effort.repetitions, mostPrompts);
  const maxTokens = effort.large ? 128 : 16;
  const read = (text: string): Uint32Array => tokenizer.encode(text).ids;
  const corpus = await writeCorpus(models, tokenizer, maxTokens);
  // Warms up what the first runs would pay for.
  const warmUp = prompts["story"]!.slice(0, 1).map(read);
  await measureKind(createDraftMethods(models, corpus), warmUp, { temperature: 0, maxTokens });
  const rows = new Map<string, Record<string, Cell>>();
  for (const temperature of [0, 0.8]) {
    const methods = createDraftMethods(models, corpus);
    for (const kind of kinds) {
      const texts = prompts[kind]!.slice(0, count).map(read);
      const sums = await measureKind(methods, texts, { temperature, maxTokens });
      const plain = speed(sums.get("none")!);
      for (const [name, sum] of sums) {
        const row = rows.get(`${name} ${temperature}`) ?? { draft: name, temperature };
        row[`${kind}: tokens per step`] = sum.tokens / sum.steps;
        row[`${kind}: ratio`] = speed(sum) / plain;
        row[`${kind}: outside %`] = (100 * sum.outsideMs) / sum.elapsedMs;
        row["equal text"] = row["equal text"] !== false && sum.isEqual;
        rows.set(`${name} ${temperature}`, row);
      }
    }
  }
  await models.dispose();
  const notes = [
    "tokens per step: tokens emitted per step of the target, the prompt's aside; ratio: tokens per " +
      "second over those without a draft (none), in the same run; outside: share of the time " +
      "that is spent outside of the models' runs; equal text: with every prompt.",
    "frugal-tiny in fp32, frugal-tiny-draft in 8 bits where a model drafts, its own heads and adapter " +
      "in fp32, layerskip and kangaroo after two layers; temperature 0.8 with top-k " +
      `40; up to ${maxTokens} tokens for each of ${count} prompts of a kind; on the thread of the loop; ` +
      "measuredCost decides how much is drafted, also that nothing is, but for lookahead.",
    "Every text begins with a drafter that knows nothing, but for two: recycling, warm keeps its matrix " +
      "from prompt to prompt at a temperature; the table of aded is made of what the target writes " +
      `for ${others().length} other prompts of bench/prompts.json, none of them code.`,
    "The model knows prose, copying and records as JSON; code it was never trained on.",
  ];
  return [{ title: "Ways to draft", notes, rows: [...rows.values()] }];
}

/** Prompts that are not measured. */
function others(): string[] {
  const rest = kinds.flatMap((kind) => prompts[kind]!.slice(mostPrompts));
  return [...rest, ...prompts["story"]!];
}

/** What the target writes for the prompts that are not measured. */
async function writeCorpus(
  models: DraftModels,
  tokenizer: Tokenizer,
  maxTokens: number,
): Promise<Uint32Array[]> {
  const corpus: Uint32Array[] = [];
  for (const text of others()) {
    const { ids } = tokenizer.encode(text);
    const sequence = await models.target.createSequence();
    const { answer } = await run(sequence, ids, null, { temperature: 0.8, maxTokens });
    await sequence.dispose();
    corpus.push(Uint32Array.of(...ids, ...answer));
  }
  return corpus;
}

function emptySums(): Sums {
  return { tokens: 0, steps: 0, decodeMs: 0, elapsedMs: 0, outsideMs: 0, isEqual: true };
}

function speed({ tokens, decodeMs }: Sums): number {
  return (tokens * 1000) / decodeMs;
}

async function measureKind(
  methods: readonly DraftMethod[],
  texts: readonly Uint32Array[],
  options: Pick<GenerateOptions, "temperature" | "maxTokens">,
): Promise<Map<string, Sums>> {
  const sums = new Map(methods.map(({ name }) => [name, emptySums()]));
  for (const ids of texts) {
    let plain: string | null = null;
    for (const method of methods) {
      const voice = await method.speak(ids);
      const { answer, stats } = await run(voice.sequence, ids, voice.drafter, options);
      await voice.dispose();
      // The first method drafts nothing.
      plain ??= answer.join();
      const sum = sums.get(method.name)!;
      sum.tokens += stats.tokens - 1;
      sum.steps += stats.targetSteps - 1;
      sum.decodeMs += stats.elapsedMs! - stats.timeToFirstTokenMs!;
      sum.elapsedMs += stats.elapsedMs!;
      sum.outsideMs += stats.outsideMs!;
      sum.isEqual &&= answer.join() === plain;
    }
  }
  return sums;
}

async function run(
  sequence: Sequence,
  ids: Uint32Array,
  drafter: Drafter | null,
  options: Pick<GenerateOptions, "temperature" | "maxTokens">,
): Promise<{ answer: number[]; stats: GenerateStats }> {
  const generation = generate(sequence, ids, {
    ...options,
    topK: 40,
    seed: 1,
    ...(drafter && { drafter }),
    clock: () => performance.now(),
  });
  const answer: number[] = [];
  for await (const event of generation) {
    if (event.type === "token-accepted") answer.push(event.token);
  }
  return { answer, stats: generation.stats };
}
