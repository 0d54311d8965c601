import { readFile } from "node:fs/promises";

import type { LanguageModel, Sequence } from "@frugal/core";
import { type Drafter, generate, type GenerateOptions, type GenerateStats } from "@frugal/decoding";
import { loadModel } from "@frugal/runtime-node";
import { createTokenizer, type Tokenizer } from "@frugal/tokenizers";

import {
  createModelFree,
  createWithModel,
  isModelFree,
  isWithModel,
  modelDrafters,
  modelFreeDrafters,
} from "../../examples/01-generate-node/src/drafters.ts";
import { scratch, tiny, tinyDraft } from "./models.ts";
import type { Cell, Table } from "./results.ts";
import type { Effort } from "./step-cost.ts";

const prompts = JSON.parse(
  await readFile(new URL("../prompts.json", import.meta.url), "utf8"),
) as Record<string, string[]>;

const kinds = ["prose", "copy", "code", "json"] as const;
const methods = ["none", ...Object.keys(modelFreeDrafters), ...Object.keys(modelDrafters)] as const;

/** Most prompts of a kind, so that the suite stays well below ten minutes. */
const mostPrompts = 6;

interface Models {
  readonly tokenizer: Tokenizer;
  readonly target: LanguageModel;
  readonly small: LanguageModel;
}

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
 * The methods take turns on every prompt, so that a disturbance meets all of them. Each has one
 * drafter per kind of prompt and temperature, as in a program that stays up; no prompt comes twice.
 */
export async function measureDecoding(effort: Effort): Promise<Table[]> {
  const models: Models = {
    tokenizer: createTokenizer(await readFile(`${tiny}/tokenizer.json`, "utf8")),
    target: await loadModel(tiny, { inline: true }),
    small: await loadModel(tinyDraft, { inline: true, quantize: "q8", cacheFolder: scratch }),
  };
  const count = Math.min(effort.repetitions, mostPrompts);
  const maxTokens = effort.large ? 128 : 16;
  // Warms up what the first runs would pay for.
  await measureKind(models, prompts["story"]!.slice(0, 1), 0, 32);
  const cells = new Map(methods.map((name) => [name, [] as Record<string, Cell>[]]));
  for (const temperature of [0, 0.8]) {
    const rows = new Map<string, Record<string, Cell>>();
    for (const kind of kinds) {
      const sums = await measureKind(
        models,
        prompts[kind]!.slice(0, count),
        temperature,
        maxTokens,
      );
      const plain = speed(sums.get("none")!);
      for (const [name, sum] of sums) {
        const row = rows.get(name) ?? { draft: name, temperature };
        row[`${kind}: tokens per step`] = sum.tokens / sum.steps;
        row[`${kind}: ratio`] = speed(sum) / plain;
        row[`${kind}: outside %`] = (100 * sum.outsideMs) / sum.elapsedMs;
        row["equal text"] = row["equal text"] !== false && sum.isEqual;
        rows.set(name, row);
      }
    }
    for (const [name, row] of rows) cells.get(name)!.push(row);
  }
  await models.target.dispose();
  await models.small.dispose();
  const notes = [
    "tokens per step: tokens emitted per step of the target, the prompt's aside; ratio: tokens per " +
      "second over those without a draft (none), in the same run; outside: share of the time " +
      "that is spent outside of the models' runs; equal text: with every prompt.",
    "frugal-tiny in fp32, frugal-tiny-draft in 8 bits where a model drafts; temperature 0.8 with top-k " +
      `40; up to ${maxTokens} tokens for each of ${count} prompts of a kind; on the thread of the loop; ` +
      "measuredCost decides how much is drafted, also that nothing is.",
    "The model knows prose, copying and records as JSON; code it was never trained on.",
  ];
  return [{ title: "Ways to draft", notes, rows: [...cells.values()].flat() }];
}

function emptySums(): Sums {
  return { tokens: 0, steps: 0, decodeMs: 0, elapsedMs: 0, outsideMs: 0, isEqual: true };
}

function speed({ tokens, decodeMs }: Sums): number {
  return (tokens * 1000) / decodeMs;
}

async function measureKind(
  models: Models,
  texts: readonly string[],
  temperature: number,
  maxTokens: number,
): Promise<Map<string, Sums>> {
  const sums = new Map<string, Sums>();
  const drafters = new Map<string, Drafter>();
  const opened: Sequence[] = [];
  for (const text of texts) {
    const { ids } = models.tokenizer.encode(text);
    let plain: number[] = [];
    for (const name of methods) {
      if (!drafters.has(name)) {
        const drafter = await createDrafter(models, name, ids, opened);
        if (drafter !== null) drafters.set(name, drafter);
      }
      const { answer, stats } = await run(models.target, ids, drafters.get(name), {
        temperature,
        maxTokens,
      });
      if (name === "none") plain = answer;
      const sum = sums.get(name) ?? emptySums();
      sum.tokens += stats.tokens - 1;
      sum.steps += stats.targetSteps - 1;
      sum.decodeMs += stats.elapsedMs! - stats.timeToFirstTokenMs!;
      sum.elapsedMs += stats.elapsedMs!;
      sum.outsideMs += stats.outsideMs!;
      sum.isEqual &&= answer.join() === plain.join();
      sums.set(name, sum);
    }
  }
  for (const sequence of opened) await sequence.dispose();
  return sums;
}

async function createDrafter(
  { target, small }: Models,
  name: string,
  ids: Uint32Array,
  opened: Sequence[],
): Promise<Drafter | null> {
  if (isModelFree(name)) return createModelFree(name, target.info.vocabSize, ids);
  if (!isWithModel(name)) return null;
  const sequence = await small.createSequence();
  opened.push(sequence);
  return createWithModel(name, sequence, null);
}

async function run(
  target: LanguageModel,
  ids: Uint32Array,
  drafter: Drafter | undefined,
  options: Pick<GenerateOptions, "temperature" | "maxTokens">,
): Promise<{ answer: number[]; stats: GenerateStats }> {
  const sequence = await target.createSequence();
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
  await sequence.dispose();
  return { answer, stats: generation.stats };
}
