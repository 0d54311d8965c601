import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { type CachePolicy, InferenceError } from "@frugal/core";
import { generate, type Generation } from "@frugal/decoding";
import { sinksAndRecent } from "@frugal/kv-cache";
import { createChatTemplate, downloadModel } from "@frugal/runtime-node";
import { createTokenizer, type Tokenizer } from "@frugal/tokenizers";

import { isWithModel } from "./drafters.ts";
import { loadProgress } from "./load-progress.ts";
import type { Settings } from "./settings.ts";
import { type DraftName, loadSpeaker, type Speaker } from "./speaker.ts";
import { type Task, tasks } from "./tasks.ts";

const models = fileURLToPath(new URL("../../../models/", import.meta.url));

/** What drafts for the embedded model where nothing else is said. */
const embeddedDrafts: Partial<Record<DraftName, string>> = {
  kangaroo: "frugal-tiny-kangaroo",
  medusa: "frugal-tiny-medusa",
  eagle: "frugal-tiny-eagle",
};

/** Models and tokenizer of one run of the program. */
export interface Engine {
  readonly tokenizer: Tokenizer;
  readonly draft: DraftName;
  readonly speaker: Speaker;
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
  const isEmbedded = settings.model === undefined;
  const draft =
    settings.draft ?? (isEmbedded || settings.draftModel !== undefined ? "model" : "lookup");
  if (settings.compare && draft === "none") {
    throw new InferenceError("range", "--compare: expected a draft to compare with, got none");
  }
  const embedded = isWithModel(draft) ? "frugal-tiny-draft" : embeddedDrafts[draft];
  const draftFolder = isEmbedded && embedded !== undefined ? join(models, embedded) : undefined;
  const { quantize } = settings;
  const progress = loadProgress(!settings.json);
  try {
    // The tokenizer's files come with the model, so the folder is what is needed first.
    const onProgress = progress.for("model");
    const source = settings.model ?? join(models, "frugal-tiny");
    const folder = await downloadModel(source, { onProgress, signal });
    const sources = {
      model: folder,
      draft: settings.draftModel ?? draftFolder,
      exitLayer: settings.exitLayer,
      compare: settings.compare,
      options: { inline: true, quantize, onProgress },
      draftOptions: {
        inline: true,
        // A guess need not be exact, and 8 bits are read in half the time.
        quantize: quantize === "none" ? "q8" : quantize,
        onProgress: progress.for("draft"),
        signal,
      },
    } as const;
    const speaker = await loadSpeaker(draft, sources);
    const tokenizer = await readTokenizer(folder);
    const { kv } = settings;
    const cache = kv.kind === "full" ? null : windowPolicy(kv.recent, speaker.maxLength);
    return { tokenizer, draft, speaker, cache, dispose: () => speaker.dispose() };
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

/** One generation, from sequences of its own that `use` must not outlive. */
export async function withGeneration<T>(
  { tokenizer, draft, speaker, cache }: Engine,
  task: Task,
  settings: Settings,
  signal: AbortSignal,
  use: (generation: Generation, ids: Uint32Array) => Promise<T>,
): Promise<T> {
  const { ids } = tokenizer.encode(task.prompt);
  const voice = await speaker.speak(ids, cache, draft !== "none");
  try {
    const generation = generate(voice.sequence, ids, {
      temperature: settings.temperature ?? (task.exact ? 0 : 0.8),
      topP: settings.topP,
      ...(settings.topK > 0 && { topK: settings.topK }),
      seed: settings.seed,
      maxTokens: settings.maxTokens,
      text: () => tokenizer.createStream({ skipSpecialTokens: true }),
      ...(task.exact && { stopStrings: ["\n"] }),
      ...(voice.drafter && { drafter: voice.drafter }),
      ...(cache && { cache }),
      signal,
      clock: () => performance.now(),
    });
    return await use(generation, ids);
  } finally {
    await voice.dispose();
  }
}
