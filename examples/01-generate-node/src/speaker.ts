import { type CachePolicy, InferenceError, type LanguageModel, type Sequence } from "@frugal/core";
import { type Drafter, earlyExitSelfDraft, kangaroo, type SelfDraft } from "@frugal/decoding";
import { loadDraftHead, loadModel, type LoadOptions } from "@frugal/runtime-node";

import { createModelFree, createWithModel, isModelFree, isWithModel } from "./drafters.ts";
import { openHead } from "./open-head.ts";
import type { Settings } from "./settings.ts";

/** Where drafts come from. */
export type DraftName = NonNullable<Settings["draft"]>;

/** What continues one text, and who drafts for it. */
export interface Voice {
  readonly sequence: Sequence;
  readonly drafter: Drafter | null;
  dispose(): Promise<void>;
}

/** Loaded models that continue texts. */
export interface Speaker {
  /** Positions the model was made for. */
  readonly maxLength: number;
  /** Begins a text, with drafts if `drafts` says so. */
  speak(prompt: Uint32Array, cache: CachePolicy | null, drafts: boolean): Promise<Voice>;
  dispose(): Promise<void>;
}

/** Folders or names of what a speaker is made of. */
export interface SpeakerSources {
  readonly model: string;
  /** The draft model, the adapter or the head. */
  readonly draft: string | undefined;
  /** How many layers draft where a model drafts for itself. */
  readonly exitLayer: number;
  /** Whether texts are wanted without drafts too. */
  readonly compare: boolean;
  readonly options: LoadOptions;
  /** Differences for the draft model. */
  readonly draftOptions: LoadOptions;
}

/** Loads the model, and what the draft needs besides. */
export async function loadSpeaker(name: DraftName, from: SpeakerSources): Promise<Speaker> {
  if (name === "kangaroo" || name === "layerskip") return loadSelfDrafting(name, from);
  if (name === "medusa" || name === "eagle") return loadWithHead(name, from);
  const target = await loadModel(from.model, from.options);
  const small = isWithModel(name) ? await loadModel(draftOf(name, from), from.draftOptions) : null;
  return {
    maxLength: target.info.maxLength,
    async speak(prompt, cache, drafts) {
      const sequence = await target.createSequence();
      const guesser = drafts ? ((await small?.createSequence()) ?? null) : null;
      const drafter =
        guesser !== null && isWithModel(name)
          ? createWithModel(name, guesser, cache)
          : drafts && isModelFree(name)
            ? createModelFree(name, target.info.vocabSize, prompt)
            : null;
      return { sequence, drafter, dispose: () => disposeAll([sequence, guesser]) };
    },
    dispose: () => disposeAll([target, small]),
  };
}

/** The model, and a head that drafts from its hidden states. */
async function loadWithHead(name: string, from: SpeakerSources): Promise<Speaker> {
  const target = await loadModel(from.model, from.options);
  const head = await loadDraftHead(draftOf(name, from), from.model);
  return {
    maxLength: target.info.maxLength,
    async speak(_prompt, cache, drafts) {
      const sequence = await target.createSequence();
      if (!drafts) return { sequence, drafter: null, dispose: () => sequence.dispose() };
      const open = await openHead(head, cache);
      const { drafter } = open;
      return { sequence, drafter, dispose: () => disposeAll([sequence, open]) };
    },
    dispose: () => disposeAll([target, head.kind === "medusa" ? head.heads : head.model]),
  };
}

/** The model in two ranges of layers, the first of which drafts; and whole, to compare with. */
async function loadSelfDrafting(
  name: "kangaroo" | "layerskip",
  from: SpeakerSources,
): Promise<Speaker> {
  const { model, exitLayer, compare, options } = from;
  const shallow = await loadModel(model, { ...options, layers: [0, exitLayer] });
  const deep = await loadModel(model, { ...options, layers: [exitLayer] });
  const adapter =
    name === "kangaroo"
      ? await loadModel(draftOf(name, from), { ...options, adapterOf: model })
      : null;
  const whole = compare ? await loadModel(model, options) : null;
  const join = async (): Promise<SelfDraft> => {
    const ranges = {
      shallow: await shallow.createSequence(),
      deep: await deep.createSequence(),
    };
    if (adapter === null) return earlyExitSelfDraft(ranges);
    return kangaroo({ ...ranges, adapter: await adapter.createSequence() });
  };
  return {
    maxLength: deep.info.maxLength,
    async speak(_prompt, _cache, drafts) {
      const { sequence, drafter } =
        drafts || whole === null
          ? await join()
          : { sequence: await whole.createSequence(), drafter: null };
      return { sequence, drafter, dispose: () => sequence.dispose() };
    },
    dispose: () => disposeAll([shallow, deep, adapter, whole]),
  };
}

function draftOf(name: string, { draft }: SpeakerSources): string {
  if (draft !== undefined) return draft;
  throw new InferenceError("range", `--draft ${name}: expected --draft-model beside --model`);
}

type Disposable = Pick<LanguageModel, "dispose">;

async function disposeAll(things: readonly (Disposable | null)[]): Promise<void> {
  for (const thing of things) await thing?.dispose();
}
