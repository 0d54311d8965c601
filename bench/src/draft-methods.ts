import type { LanguageModel, Sequence } from "@frugal/core";
import { type Drafter, trigramMcts, TrigramTable } from "@frugal/decoding";
import { loadModel } from "@frugal/runtime-node";

import {
  createModelFree,
  createWithModel,
  draftNames,
  isModelFree,
  isWithModel,
} from "../../examples/01-generate-node/src/drafters.ts";
import {
  type DraftName,
  loadSpeaker,
  type Speaker,
  type Voice,
} from "../../examples/01-generate-node/src/speaker.ts";
import { scratch, tiny, tinyDraft, tinyPart } from "./models.ts";

/** Loaded models for every way to draft. */
export interface DraftModels {
  readonly target: LanguageModel;
  readonly small: LanguageModel;
  /** The target once more for each draft that is part of it, by name. */
  readonly selves: ReadonlyMap<string, Speaker>;
  dispose(): Promise<void>;
}

/** A way to draft: begins a text, with who drafts for it. */
export interface DraftMethod {
  /** As in the table. */
  readonly name: string;
  speak(prompt: Uint32Array): Promise<Voice>;
}

const inline = { inline: true } as const;
const noTokens = new Uint32Array(0);

/** Loads the target, the smaller model, and what the drafts from the target itself need. */
export async function loadDraftModels(): Promise<DraftModels> {
  const small = { ...inline, quantize: "q8", cacheFolder: scratch } as const;
  const loaded = {
    target: await loadModel(tiny, inline),
    small: await loadModel(tinyDraft, small),
  };
  const selves = new Map<string, Speaker>();
  for (const name of draftNames as readonly DraftName[]) {
    if (name === "none" || isModelFree(name) || isWithModel(name)) continue;
    const draft = tinyPart(name);
    const differences = { exitLayer: 2, compare: false, options: inline, draftOptions: inline };
    selves.set(name, await loadSpeaker(name, { model: tiny, draft, ...differences }));
  }
  return {
    ...loaded,
    selves,
    async dispose() {
      for (const one of [loaded.target, loaded.small, ...selves.values()]) await one.dispose();
    },
  };
}

/**
 * All ways to draft of the example program, in its order. Each begins anew with every text; token
 * recycling is there a second time, with a matrix that stays.
 *
 * @param corpus texts for the table of trigrams.
 */
export function createDraftMethods(
  models: DraftModels,
  corpus: readonly Uint32Array[],
): DraftMethod[] {
  const recycling = createModelFree("recycling", models.target.info.vocabSize, noTokens);
  return draftNames.flatMap((name): DraftMethod[] => {
    const speak = speakAnew(models, name, corpus);
    if (name !== "recycling") return [{ name, speak }];
    return [
      { name: "recycling, cold", speak },
      { name: "recycling, warm", speak: () => speakWith(models, recycling, null) },
    ];
  });
}

/** Begins texts with a drafter that knows nothing yet. */
function speakAnew(
  models: DraftModels,
  name: string,
  corpus: readonly Uint32Array[],
): DraftMethod["speak"] {
  const { target, small, selves } = models;
  const self = selves.get(name);
  if (self !== undefined) return (prompt) => self.speak(prompt, null, true);
  if (isWithModel(name)) {
    return async () => {
      const guesser = await small.createSequence();
      return speakWith(models, createWithModel(name, guesser, null), guesser);
    };
  }
  if (name === "aded") {
    const table = (): TrigramTable => TrigramTable.fromTexts(corpus);
    return () => speakWith(models, trigramMcts({ table: table() }), null);
  }
  return (prompt) => {
    const isDrafted = isModelFree(name);
    const drafter = isDrafted ? createModelFree(name, target.info.vocabSize, prompt) : null;
    return speakWith(models, drafter, null);
  };
}

async function speakWith(
  { target }: DraftModels,
  drafter: Drafter | null,
  guesser: Sequence | null,
): Promise<Voice> {
  const sequence = await target.createSequence();
  return {
    sequence,
    drafter,
    async dispose() {
      await sequence.dispose();
      await guesser?.dispose();
    },
  };
}
