import type { LanguageModel } from "@frugal/core";
import {
  type Drafter,
  draftModel,
  dynamicTree,
  lookahead,
  promptLookup,
  suffixDrafter,
  tokenRecycling,
} from "@frugal/decoding";

/** What a drafter is made of: the vocabulary, and a smaller model that is loaded when needed. */
export interface DraftParts {
  readonly vocabSize: number;
  readonly smallModel: () => Promise<LanguageModel>;
}

/** A drafter of one generation. */
export interface OpenDrafter {
  readonly drafter?: Drafter;
  dispose(): Promise<void>;
}

/** A way to draft, as the page offers it. */
export interface DrafterChoice {
  readonly label: string;
  readonly help: string;
  open(parts: DraftParts): Promise<OpenDrafter>;
}

/** The choices by name; the first is the default. */
export const drafters = {
  model: {
    label: "Draft model",
    help: "A model an eighth of the size guesses a few tokens ahead, in a worker of its own.",
    open: (parts) => withSmallModel(parts, draftModel),
  },
  tree: {
    label: "Draft model, trees",
    help: "The same model guesses a tree of continuations that grows where it is surest.",
    open: (parts) => withSmallModel(parts, (sequence) => dynamicTree(sequence, { budget: 8 })),
  },
  lookup: {
    label: "Prompt lookup",
    help: "Guesses what followed the last words before. Good where a text repeats its prompt.",
    open: async () => withoutModel(promptLookup()),
  },
  suffix: {
    label: "Suffix lookup",
    help: "Guesses what most often followed the longest suffix that occurred before.",
    open: async () => withoutModel(suffixDrafter()),
  },
  recycling: {
    label: "Token recycling",
    help: "Guesses what the model itself ranked high after each token the last time.",
    open: async ({ vocabSize }) => withoutModel(tokenRecycling({ vocabSize })),
  },
  lookahead: {
    label: "Lookahead",
    help: "Corrects a window of guesses in every step and checks the n-grams it finds.",
    open: async () => withoutModel(lookahead({ window: 3, level: 3, guesses: 3 })),
  },
  none: {
    label: "None",
    help: "One token per step of the model.",
    open: async () => ({ dispose: async () => {} }),
  },
} satisfies Record<string, DrafterChoice>;

/** Name of a choice. */
export type DrafterName = keyof typeof drafters;

function withoutModel(drafter: Drafter): OpenDrafter {
  return { drafter, dispose: async () => {} };
}

async function withSmallModel(
  { smallModel }: DraftParts,
  make: (sequence: Parameters<typeof draftModel>[0]) => Drafter,
): Promise<OpenDrafter> {
  const sequence = await (await smallModel()).createSequence();
  return { drafter: make(sequence), dispose: () => sequence.dispose() };
}
