import type { LanguageModel } from "@frugal/core";
import {
  type Drafter,
  type FinishReason,
  generate,
  type GenerateOptions,
  type GenerateStats,
  type Generation,
} from "@frugal/decoding";
import { loadModel, openFiles } from "@frugal/runtime-web";
import { createTokenizer, type Tokenizer } from "@frugal/tokenizers";

import { type DrafterChoice, type DrafterName, drafters, type DraftParts } from "./drafters.ts";

/** The model's own `generation_config.json` recommends it; without effect at temperature 0. */
const topK = 40;

/** Tokenizer and models of the page; each model runs in a worker of its own. */
export interface Engine extends DraftParts {
  readonly tokenizer: Tokenizer;
  readonly model: LanguageModel;
}

/** What one generation is asked for. */
export interface Settings {
  readonly prompt: string;
  readonly drafter: DrafterName;
  readonly temperature: number;
  readonly seed: number;
  readonly maxTokens: number;
  /** Ends the text before its first line break. */
  readonly oneLine: boolean;
}

/** What came of it. */
export interface Run {
  readonly tokens: readonly number[];
  readonly reason: FinishReason | "stopped";
  readonly stats: GenerateStats;
}

/** Called with each piece of text, whether a drafter had guessed it, and the figures so far. */
export type Show = (text: string, drafted: boolean, stats: GenerateStats) => void;

/** Loads the model; the smaller one follows when a drafter first asks for it. */
export async function openEngine(onFraction: (fraction: number) => void): Promise<Engine> {
  const folder = "./frugal-tiny/";
  const model = await loadModel(folder, {
    onProgress: ({ phase, fraction }) => phase === "download" && onFraction(fraction),
  });
  const tokenizer = createTokenizer((await openFiles(folder).text("tokenizer.json")) ?? "");
  let small: Promise<LanguageModel> | null = null;
  const loadSmall = () => loadModel("./frugal-tiny-draft/");
  return {
    tokenizer,
    model,
    vocabSize: model.info.vocabSize,
    smallModel: () => (small ??= loadSmall().catch(forget)),
  };

  // The next generation tries again.
  function forget(reason: unknown): never {
    small = null;
    throw reason;
  }
}

/** Continues the prompt until a stop or an abort; its sequences do not outlive it. */
export async function run(
  engine: Engine,
  settings: Settings,
  show: Show,
  signal: AbortSignal,
): Promise<Run> {
  const choice: DrafterChoice = drafters[settings.drafter];
  const guesses = await choice.open(engine);
  try {
    const sequence = await engine.model.createSequence();
    try {
      const { ids } = engine.tokenizer.encode(settings.prompt);
      const options = optionsOf(engine, settings, guesses.drafter, signal);
      return await write(generate(sequence, ids, options), show, signal);
    } finally {
      await sequence.dispose();
    }
  } finally {
    await guesses.dispose();
  }
}

function optionsOf(
  { tokenizer }: Engine,
  { temperature, seed, maxTokens, oneLine }: Settings,
  drafter: Drafter | undefined,
  signal: AbortSignal,
): GenerateOptions {
  return {
    temperature,
    topK,
    seed,
    maxTokens,
    text: () => tokenizer.createStream({ skipSpecialTokens: true }),
    ...(oneLine && { stopStrings: ["\n"] }),
    ...(drafter && { drafter }),
    signal,
    clock: () => performance.now(),
  };
}

async function write(generation: Generation, show: Show, signal: AbortSignal): Promise<Run> {
  const tokens: number[] = [];
  let reason: Run["reason"] = "stopped";
  try {
    for await (const event of generation) {
      if (event.type === "token-accepted") {
        tokens.push(event.token);
        show(event.text ?? "", event.drafted, generation.stats);
      } else if (event.type === "finish") {
        reason = event.reason;
        show(event.text ?? "", false, event.stats);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return { tokens, reason, stats: generation.stats };
}
