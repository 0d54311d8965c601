import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { type CachePolicy, InferenceError, type LanguageModel } from "@frugal/core";
import { type Drafter, draftModel, generate, type Generation } from "@frugal/decoding";
import { sinksAndRecent } from "@frugal/kv-cache";
import { createChatTemplate, downloadModel, loadModel } from "@frugal/runtime-node";
import { createTokenizer, type Tokenizer } from "@frugal/tokenizers";

import { createModelFree, isModelFree } from "./drafters.ts";
import { loadProgress } from "./load-progress.ts";
import type { Settings } from "./settings.ts";
import { type Task, tasks } from "./tasks.ts";

const models = fileURLToPath(new URL("../../../models/", import.meta.url));

/** Where drafts come from. */
export type DraftName = NonNullable<Settings["draft"]>;

/** Models and tokenizer of one run of the program. */
export interface Engine {
  readonly tokenizer: Tokenizer;
  readonly target: LanguageModel;
  /** Only where drafts come from a model. */
  readonly small: LanguageModel | null;
  readonly draft: DraftName;
  /** What the caches keep; everything without one. */
  readonly cache: CachePolicy | null;
  dispose(): Promise<void>;
}

/**
 * Loads what the settings ask for.
 *
 * The engines run on this thread (`inline`): a program that does nothing beside generating has
 * nothing to keep responsive, and saves two messages per step.
 */
export async function loadEngine(settings: Settings, signal: AbortSignal): Promise<Engine> {
  const embeddedDraft =
    settings.model === undefined ? join(models, "frugal-tiny-draft") : undefined;
  const draftFolder = settings.draftModel ?? embeddedDraft;
  const draft = settings.draft ?? (draftFolder === undefined ? "lookup" : "model");
  if (settings.compare && draft === "none") {
    throw new InferenceError("range", "--compare: expected a draft to compare with, got none");
  }
  if (draft === "model" && draftFolder === undefined) {
    throw new InferenceError("range", "--draft model: expected --draft-model beside --model");
  }
  const options = { inline: true, quantize: settings.quantize } as const;
  const progress = loadProgress(!settings.json);
  try {
    // The tokenizer's files come with the model, so the folder is what is needed first.
    const source = settings.model ?? join(models, "frugal-tiny");
    const onProgress = progress.for("model");
    const folder = await downloadModel(source, { onProgress, signal });
    const target = await loadModel(folder, { ...options, onProgress });
    const small =
      draft === "model"
        ? await loadModel(draftFolder!, {
            ...options,
            // A guess need not be exact, and 8 bits are read in half the time.
            quantize: settings.quantize === "none" ? "q8" : settings.quantize,
            onProgress: progress.for("draft"),
            signal,
          })
        : null;
    const tokenizer = await readTokenizer(folder);
    const { kv } = settings;
    const cache = kv.kind === "full" ? null : windowPolicy(kv.recent, target.info.maxLength);
    const dispose = async (): Promise<void> => {
      await target.dispose();
      await small?.dispose();
    };
    return { tokenizer, target, small, draft, cache, dispose };
  } finally {
    progress.stop();
  }
}

async function readTokenizer(folder: string): Promise<Tokenizer> {
  const read = (name: string): Promise<string> => readFile(join(folder, name), "utf8");
  const config = await read("tokenizer_config.json").catch(() => undefined);
  const json = await read("tokenizer.json").catch(() => {
    throw new InferenceError("format", `${join(folder, "tokenizer.json")}: no such file`);
  });
  return createTokenizer(json, config);
}

/** The policy of `--kv window:N`; a window that is never full would be none. */
function windowPolicy(recent: number, maxLength: number): CachePolicy {
  const sinks = 4;
  if (sinks + recent > maxLength) {
    throw new InferenceError(
      "range",
      `--kv: expected a window of at most ${maxLength - sinks} positions, got ${recent}`,
    );
  }
  return sinksAndRecent({ sinks, recent });
}

/** The prompt as the model sees it. */
export function promptOf(tokenizer: Tokenizer, settings: Settings): Task {
  const task: Task =
    settings.prompt === undefined ? tasks[settings.task] : { prompt: settings.prompt };
  if (task.chat !== true && !settings.chat) return task;
  if (tokenizer.chatTemplate === null) {
    throw new InferenceError("unsupported", "--chat: the model has no chat template");
  }
  const template = createChatTemplate(tokenizer.chatTemplate);
  return { ...task, prompt: template.render([{ role: "user", content: task.prompt }]) };
}

/**
 * One generation, from sequences of its own that `use` must not outlive: the composition that this
 * example is about.
 */
export async function withGeneration<T>(
  engine: Engine,
  task: Task,
  settings: Settings,
  signal: AbortSignal,
  use: (generation: Generation, ids: Uint32Array) => Promise<T>,
): Promise<T> {
  const { tokenizer, target, small, cache } = engine;
  const sequence = await target.createSequence();
  const draftSequence = (await small?.createSequence()) ?? null;
  try {
    const { ids } = tokenizer.encode(task.prompt);
    const drafter: Drafter | undefined =
      draftSequence !== null
        ? draftModel(draftSequence, { ...(cache && { cache }) })
        : isModelFree(engine.draft)
          ? createModelFree(engine.draft, target.info.vocabSize, ids)
          : undefined;
    const generation = generate(sequence, ids, {
      temperature: settings.temperature ?? (task.exact ? 0 : 0.8),
      topP: settings.topP,
      ...(settings.topK > 0 && { topK: settings.topK }),
      seed: settings.seed,
      maxTokens: settings.maxTokens,
      text: () => tokenizer.createStream({ skipSpecialTokens: true }),
      ...(task.exact && { stopStrings: ["\n"] }),
      ...(drafter && { drafter }),
      ...(cache && { cache }),
      signal,
      clock: () => performance.now(),
    });
    return await use(generation, ids);
  } finally {
    await sequence.dispose();
    await draftSequence?.dispose();
  }
}
