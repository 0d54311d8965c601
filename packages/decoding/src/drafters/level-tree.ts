import type { CachePolicy, Sequence } from "@frugal/core";

import { expectRange } from "../sampling/sampling-options.ts";
import type { Drafter } from "./drafter.ts";
import { templateTree } from "./template-tree.ts";
import { levelTemplate, type RankTemplate } from "./token-recycling-template.ts";

/** Options of {@link specInferTree} and {@link rsdConstant}. */
export interface LevelTreeOptions {
  /**
   * How many tokens are drawn after each token of a level, from the first level on; each >= 1, and
   * at most 1024 tokens together.
   */
  readonly branching: readonly number[];
  /** What the draft model's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
}

/**
 * A drafter of trees whose siblings are independent draws of a draft model; for `multiRound` and
 * `kSeq`.
 *
 * Every token of level `l` gets `branching[l]` draws, repeated ones included. The draft's logits
 * pass through the target's sampling options. The sequence must be empty at first use and take
 * trees that grow, and stays the caller's to dispose of.
 *
 * Cost: one step of the draft model per level, each row once.
 *
 * @throws {@link InferenceError} `range` for a branching that is empty, below 1 or too large;
 *   `unsupported` for a draft model without `openTree`.
 * @see Miao et al., arXiv:2305.09781; `docs/algorithms/drawn-trees.md`
 */
export function specInferTree(sequence: Sequence, options: LevelTreeOptions): Drafter {
  const { branching, cache = null } = options;
  return templateTree(sequence, branchingTemplate(branching), cache, ["sampled"]);
}

/**
 * A drafter of trees whose siblings are draws of a draft model without replacement; for
 * `recursiveRejection`, and with the target's noise for `gumbelCoupled`.
 *
 * Like {@link specInferTree}, but each sibling is drawn from what the ones before left of the law;
 * where nothing is left there are fewer of them. For `sampleMatch` and `greedy` it guesses.
 *
 * @throws {@link InferenceError} as there.
 * @see Jeon et al., arXiv:2402.14160, RSD-C; `docs/algorithms/drawn-trees.md`
 */
export function rsdConstant(sequence: Sequence, options: LevelTreeOptions): Drafter {
  const { branching, cache = null } = options;
  const kinds = ["distinct", "coupled", "point"] as const;
  return templateTree(sequence, branchingTemplate(branching), cache, kinds);
}

/** Options of {@link specTrChains}. */
export interface SpecTrChainsOptions {
  /** How many chains, at least 1. */
  readonly chains: number;
  /** Tokens per chain, at least 1. */
  readonly length: number;
  /** What the draft model's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
}

/**
 * A drafter of several independent chains of a draft model, as a tree whose beginnings coincide
 * where the draws do; for `kSeq`.
 *
 * The same as {@link specInferTree} with one draw after each token but the root, and the same cost.
 *
 * @throws {@link InferenceError} as there, `range` for counts below 1.
 * @see Sun et al., arXiv:2310.15141; `docs/algorithms/drawn-trees.md`
 */
export function specTrChains(sequence: Sequence, options: SpecTrChainsOptions): Drafter {
  const { chains, length, ...rest } = options;
  expectRange("length", length, "an integer >= 1", Number.isInteger(length) && length >= 1);
  expectRange("chains", chains, "an integer >= 1", Number.isInteger(chains) && chains >= 1);
  const branching = Array.from({ length }, (_, level) => (level === 0 ? chains : 1));
  return specInferTree(sequence, { ...rest, branching });
}

function branchingTemplate(branching: readonly number[]): RankTemplate {
  const isCounts = branching.length > 0 && branching.every((b) => Number.isInteger(b) && b >= 1);
  expectRange("branching", branching.join(), "a list of integers >= 1", isCounts);
  let nodes = 1;
  let total = 0;
  for (const count of branching) total += nodes *= count;
  expectRange("branching", branching.join(), "at most 1024 tokens", total <= 1024);
  const levels: number[][] = [];
  let width = 1;
  for (const count of branching) {
    levels.push(Array.from({ length: width }, () => count));
    width *= count;
  }
  return levelTemplate(levels);
}
