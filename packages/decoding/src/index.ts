/**
 * Sampling, the generate loop and lossless speculative decoding.
 *
 * Works on any `Sequence` of `@frugal/core`; knows nothing about runtimes, devices or tokenizers.
 *
 * @module
 */
export { earlyExitSelfDraft } from "./drafters/early-exit.ts";
export { draftModel, type DraftModelOptions } from "./drafters/draft-model.ts";
export type { DraftTokenizer, DraftTokenizers } from "./drafters/draft-tokenizer.ts";
export type {
  Draft,
  DraftContext,
  Drafter,
  DraftKind,
  PromptRows,
  VerifiedBlock,
} from "./drafters/drafter.ts";
export { eagleDrafter, type EagleOptions, mtpDrafter, type MtpOptions } from "./drafters/eagle.ts";
export { eagleStaticDrafter, type EagleStaticOptions } from "./drafters/eagle-static.ts";
export { dynamicTree, type DynamicTreeOptions } from "./drafters/dynamic-tree.ts";
export { firstOf } from "./drafters/first-of.ts";
export {
  type LevelTreeOptions,
  rsdConstant,
  specInferTree,
  specTrChains,
  type SpecTrChainsOptions,
} from "./drafters/level-tree.ts";
export { jacobi, type JacobiOptions } from "./drafters/jacobi.ts";
export { kangaroo, type KangarooParts, type SelfDraft } from "./drafters/kangaroo.ts";
export { medusaDrafter, type MedusaOptions } from "./drafters/medusa.ts";
export { eagleChoices, medusaChoices } from "./drafters/published-choices.ts";
export { lookahead, type LookaheadOptions } from "./drafters/lookahead.ts";
export { ngramCache, type NgramCacheOptions } from "./drafters/ngram-cache.ts";
export { ngramHash, type NgramHashOptions } from "./drafters/ngram-hash.ts";
export { ngramMap, type NgramMapOptions } from "./drafters/ngram-map.ts";
export { NgramTable } from "./drafters/ngram-table.ts";
export { promptLookup, type PromptLookupOptions } from "./drafters/prompt-lookup.ts";
export type { SelfDraftOptions } from "./drafters/self-drafter.ts";
export { sortedDrafter, type SortedDrafterOptions } from "./drafters/sorted.ts";
export { matchVocabularies, type SharedTokens } from "./drafters/match-vocabularies.ts";
export { sharedVocabulary, type SharedVocabularyOptions } from "./drafters/shared-vocabulary.ts";
export { textDraftModel, type TextDraftModelOptions } from "./drafters/text-draft-model.ts";
export { rsdStochasticBeam, type StochasticBeamOptions } from "./drafters/stochastic-beam.ts";
export { type DatastoreMatch, SuffixDatastore } from "./drafters/suffix-datastore.ts";
export { suffixDrafter, type SuffixDrafterOptions } from "./drafters/suffix-drafter.ts";
export { sequoiaTree, type SequoiaTreeOptions } from "./drafters/template-tree.ts";
export {
  likelyTemplate,
  levelTemplate,
  type RankTemplate,
  recyclingTemplate,
} from "./drafters/token-recycling-template.ts";
export {
  type TokenRecycling,
  tokenRecycling,
  type TokenRecyclingOptions,
} from "./drafters/token-recycling.ts";
export type { TokenView } from "./drafters/token-view.ts";
export { trigramMcts, type TrigramMctsOptions } from "./drafters/trigram-mcts.ts";
export { TrigramTable, type TrigramTableOptions } from "./drafters/trigram-table.ts";
export type {
  CacheTrimmed,
  DraftDegraded,
  DraftVerified,
  Finish,
  FinishReason,
  GenerateEvent,
  TokenAccepted,
} from "./generate/events.ts";
export { generate, type Generation } from "./generate/generate.ts";
export type { TokenLogprobs } from "./generate/logprobs.ts";
export type { GenerateOptions } from "./generate/options.ts";
export type { GenerateStats } from "./generate/stats.ts";
export { splitSequence } from "./layers/split-sequence.ts";
export { createStagedModel, type StagedRangeOptions, stagedRanges } from "./layers/staged-model.ts";
export { constantLength, type DraftLength, type DraftOutcome } from "./length/draft-length.ts";
export { heuristicLength } from "./length/heuristic-length.ts";
export { measuredCost, type MeasuredCostOptions } from "./length/measured-cost.ts";
export {
  copyLaw,
  drawFromExcess,
  drawFromLaw,
  drawToken,
  guessDraw,
  type Law,
  mostProbable,
  probabilityOf,
} from "./sampling/law.ts";
export { createSampler, type Sampler } from "./sampling/sampler.ts";
export type { PenaltyScope, SamplingOptions } from "./sampling/sampling-options.ts";
export { bestChain } from "./tree/best-chain.ts";
export { CandidateTree, type RankedNodes } from "./tree/candidate-tree.ts";
export {
  chooseTree,
  type ChosenTree,
  estimateAcceptance,
  expectedYield,
  type TreeCosts,
} from "./tree/choose-tree.ts";
export { type DraftRows, mergeSiblings } from "./tree/merge-siblings.ts";
export { pathTo, treeDepths, treeMask } from "./tree/tree-shape.ts";
export { greedy } from "./verifiers/greedy.ts";
export { gumbelCoupled } from "./verifiers/gumbel-coupled.ts";
export { kSeq, type KSeqOptions } from "./verifiers/k-seq.ts";
export { lantern, type LanternOptions } from "./verifiers/lantern.ts";
export { multiRound } from "./verifiers/multi-round.ts";
export { nearestCodes, type NearestCodes } from "./verifiers/nearest-codes.ts";
export { recursiveRejection } from "./verifiers/recursive-rejection.ts";
export { rejection } from "./verifiers/rejection.ts";
export { sampleMatch } from "./verifiers/sample-match.ts";
export {
  typicalAcceptance,
  type TypicalAcceptanceOptions,
} from "./verifiers/typical-acceptance.ts";
export type { Candidates, Verifier } from "./verifiers/verifier.ts";
