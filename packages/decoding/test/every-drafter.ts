import type { Sequence } from "@frugal/core";

import {
  type Drafter,
  draftModel,
  dynamicTree,
  firstOf,
  jacobi,
  lookahead,
  ngramCache,
  ngramHash,
  ngramMap,
  NgramTable,
  promptLookup,
  rsdConstant,
  rsdStochasticBeam,
  sequoiaTree,
  sharedVocabulary,
  specInferTree,
  specTrChains,
  SuffixDatastore,
  suffixDrafter,
  textDraftModel,
  tokenRecycling,
  trigramMcts,
  TrigramTable,
} from "../src/index.ts";
import { toyTokenizer } from "./universal/toy-tokenizer.ts";

/** How many ids the models have that {@link everyDrafter} drafts for. */
export const vocabSize = 12;

const letters = toyTokenizer("abcdefghijkl".split(""));
const corpus = [Uint32Array.from({ length: 60 }, (_, i) => (i * i + (i >> 2)) % 11)];
const branching = [2, 2];

/**
 * Makes every drafter of the package, for properties that all of them have; a new one is a line
 * here. `open` opens a draft model of the same vocabulary that takes trees. Those that are part of
 * their target (`kangaroo` and its kind) are tested on their own.
 */
export const everyDrafter: Record<string, (open: () => Sequence) => Drafter> = {
  promptLookup: () => promptLookup({ minNgram: 1 }),
  "promptLookup, first": () => promptLookup({ minNgram: 1, match: "first" }),
  ngramCache: () => ngramCache({ dynamic: new NgramTable() }),
  ngramMap: () => ngramMap({ ngram: 1, mgram: 2, continuations: 4 }),
  ngramHash: () => ngramHash({ ngram: 1, slots: 64 }),
  suffixDrafter: () => suffixDrafter(),
  "suffixDrafter, datastore": () =>
    suffixDrafter({ datastore: SuffixDatastore.fromTexts(corpus), minMatch: 1 }),
  tokenRecycling: () => tokenRecycling({ vocabSize, k: 3 }),
  trigramMcts: () => trigramMcts({ table: TrigramTable.fromTexts(corpus) }),
  jacobi: () => jacobi(),
  "jacobi, draft model": (open) => jacobi({ block: 4, init: draftModel(open()) }),
  lookahead: () => lookahead({ window: 3, level: 3 }),
  draftModel: (open) => draftModel(open()),
  "draftModel, unsure": (open) => draftModel(open(), { minConfidence: 0.4 }),
  specInferTree: (open) => specInferTree(open(), { branching }),
  specTrChains: (open) => specTrChains(open(), { chains: 3, length: 2 }),
  rsdConstant: (open) => rsdConstant(open(), { branching }),
  rsdStochasticBeam: (open) => rsdStochasticBeam(open(), { width: 3, depth: 3 }),
  sequoiaTree: (open) => sequoiaTree(open()),
  "dynamicTree, budget": (open) => dynamicTree(open(), { budget: 6 }),
  "dynamicTree, threshold": (open) => dynamicTree(open(), { threshold: 0.15 }),
  sharedVocabulary: (open) =>
    draftModel(sharedVocabulary(open(), { draft: letters, target: letters })),
  textDraftModel: (open) => textDraftModel(open(), { draft: letters, target: letters }),
  firstOf: (open) => firstOf(promptLookup({ minNgram: 3 }), draftModel(open())),
};
