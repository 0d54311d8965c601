import type { CachePolicy, Sequence } from "@frugal/core";
import {
  type Drafter,
  draftModel,
  dynamicTree,
  jacobi,
  lookahead,
  ngramCache,
  promptLookup,
  rsdConstant,
  rsdStochasticBeam,
  sequoiaTree,
  specInferTree,
  specTrChains,
  suffixDrafter,
  tokenRecycling,
  trigramMcts,
  TrigramTable,
} from "@frugal/decoding";

/** A way to draft without a second model. */
interface ModelFree {
  /** One line for the help. */
  readonly help: string;
  make(vocabSize: number, prompt: Uint32Array): Drafter;
}

/** A way to draft with a smaller model. */
interface WithModel {
  readonly help: string;
  /** `cache`: what the smaller model keeps. */
  make(sequence: Sequence, cache: { readonly cache?: CachePolicy }): Drafter;
}

/** The drafters that need no second model, by the names of `--draft`. */
export const modelFreeDrafters = {
  lookup: { help: "what followed the last words before", make: () => promptLookup() },
  suffix: { help: "the same for the longest suffix that occurred", make: () => suffixDrafter() },
  ngram: { help: "the same by counts of n-grams", make: () => ngramCache() },
  recycling: {
    help: "what the model ranked high after each token",
    make: (vocabSize) => tokenRecycling({ vocabSize }),
  },
  aded: {
    help: "a search in counts of trigrams",
    make: (_, prompt) => trigramMcts({ table: TrigramTable.fromTexts([prompt]) }),
  },
  jacobi: { help: "guesses that the model corrects all at once", make: () => jacobi() },
  lookahead: {
    help: "the same in a window, whose n-grams are checked later",
    make: () => lookahead({ window: 3, level: 3, guesses: 3 }),
  },
} satisfies Record<string, ModelFree>;

/** The drafters that ask a smaller model, by the names of `--draft`. */
export const modelDrafters = {
  model: {
    help: "a chain of a smaller model",
    make: (sequence, cache) => draftModel(sequence, cache),
  },
  specinfer: {
    help: "a tree of its independent draws",
    make: (sequence, cache) => specInferTree(sequence, { branching: [3, 2, 1], ...cache }),
  },
  spectr: {
    help: "independent chains of it",
    make: (sequence, cache) => specTrChains(sequence, { chains: 3, length: 4, ...cache }),
  },
  rsd: {
    help: "a tree of its draws without replacement",
    make: (sequence, cache) => rsdConstant(sequence, { branching: [2, 2, 1], ...cache }),
  },
  "rsd-s": {
    help: "the same as whole paths, by a stochastic beam",
    make: (sequence, cache) => rsdStochasticBeam(sequence, { width: 3, depth: 4, ...cache }),
  },
  sequoia: {
    help: "a tree of the shape that pays most on average",
    make: (sequence, cache) => sequoiaTree(sequence, cache),
  },
  dyspec: {
    help: "a tree that grows where it is surest",
    make: (sequence, cache) => dynamicTree(sequence, { budget: 8, ...cache }),
  },
} satisfies Record<string, WithModel>;

/** Drafts from the model's own layers or hidden states, by the names of `--draft`. */
const selfDrafts = {
  layerskip: "a chain of the model's first layers",
  kangaroo: "the same through a trained adapter",
  medusa: "a tree of heads trained for the model",
  eagle: "a tree of a layer trained for the model",
};

/** Name of a draft from the model itself. */
export type SelfDraftName = keyof typeof selfDrafts;

/** Name of a drafter without a model. */
export type ModelFreeName = keyof typeof modelFreeDrafters;

/** Name of a drafter with one. */
export type ModelName = keyof typeof modelDrafters;

/** Makes a drafter that needs no model. */
export function createModelFree(
  name: ModelFreeName,
  vocabSize: number,
  prompt: Uint32Array,
): Drafter {
  const row: ModelFree = modelFreeDrafters[name];
  return row.make(vocabSize, prompt);
}

/** Makes a drafter over a sequence of the smaller model, which keeps what `cache` says. */
export function createWithModel(
  name: ModelName,
  sequence: Sequence,
  cache: CachePolicy | null,
): Drafter {
  const row: WithModel = modelDrafters[name];
  return row.make(sequence, cache === null ? {} : { cache });
}

/** Whether a draft comes without a model. */
export function isModelFree(name: string): name is ModelFreeName {
  return Object.hasOwn(modelFreeDrafters, name);
}

/** Whether a draft comes from a smaller model. */
export function isWithModel(name: string): name is ModelName {
  return Object.hasOwn(modelDrafters, name);
}

/** What `--draft` can be, with a line of help each. */
const draftRows: readonly (readonly [name: string, help: string])[] = [
  ["none", "one token at a time"],
  ...Object.entries(modelFreeDrafters).map(([name, { help }]) => [name, help] as const),
  ...Object.entries(selfDrafts),
  ...Object.entries(modelDrafters).map(([name, { help }]) => [name, help] as const),
];

/** The values of `--draft`. */
export const draftNames: readonly string[] = draftRows.map(([name]) => name);

/** The same with their help, for people. */
export function draftHelp(): string {
  return draftRows.map(([name, help]) => `  ${name.padEnd(10)} ${help}`).join("\n");
}
