import {
  type CachePolicy,
  InferenceError,
  type LogitsWanted,
  randomStream,
  type Sequence,
  type StepOutput,
} from "@frugal/core";

import { stepOptions } from "../generate/prefill.ts";
import { copyLaw, drawFromLaw, type Law } from "../sampling/law.ts";
import { Residual } from "../sampling/residual.ts";
import { expectRange } from "../sampling/sampling-options.ts";
import { isBranching, pathTo } from "../tree/tree-shape.ts";
import type { DraftContext, Drafter } from "./drafter.ts";
import { createFollower } from "./follower.ts";

/** Options of {@link specInferTree} and {@link rsdConstant}. */
export interface LevelTreeOptions {
  /** How many tokens are drawn after each token of a level, from the first level on; each >= 1. */
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
 * trees, and stays the caller's to dispose of.
 *
 * Cost: one step of the draft model per level. A branching block has to be given up before the next
 * one, so the step of level `l` runs all levels before it again: for a tree of depth `d` up to `d / 2`
 * times its rows.
 *
 * @throws {@link InferenceError} `range` for a branching that is empty or below 1; `unsupported` for
 *   a draft model without trees.
 * @see Miao et al., arXiv:2305.09781; `docs/algorithms/drawn-trees.md`
 */
export function specInferTree(sequence: Sequence, options: LevelTreeOptions): Drafter {
  return levelTree(sequence, options, "sampled");
}

/**
 * A drafter of trees whose siblings are draws of a draft model without replacement; for
 * `recursiveRejection`.
 *
 * Like {@link specInferTree}, but each sibling is drawn from what the ones before left of the law;
 * where nothing is left there are fewer of them.
 *
 * @throws {@link InferenceError} as there.
 * @see Jeon et al., arXiv:2402.14160, RSD-C; `docs/algorithms/drawn-trees.md`
 */
export function rsdConstant(sequence: Sequence, options: LevelTreeOptions): Drafter {
  return levelTree(sequence, options, "distinct");
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
  return levelTree(sequence, { ...rest, branching }, "sampled");
}

function levelTree(
  sequence: Sequence,
  { branching, cache }: LevelTreeOptions,
  kind: "sampled" | "distinct",
): Drafter {
  const isCounts = branching.length > 0 && branching.every((b) => Number.isInteger(b) && b >= 1);
  expectRange("branching", branching.join(), "a list of integers >= 1", isCounts);
  if (!sequence.capabilities.tree && branching.some((count) => count > 1)) {
    throw new InferenceError("unsupported", "sequence: expected a model that takes trees");
  }
  const follower = createFollower(sequence, cache ?? null);
  const rest = new Residual();

  return {
    kinds: [kind],
    trees: true,
    vocabSize: sequence.info.vocabSize,
    async propose(context) {
      const { history, sampler, random, signal } = context;
      const position = history.start + history.length;
      const depth = Math.min(branching.length, context.maxDepth);
      const tokens: number[] = [];
      const parents: number[] = [];
      const laws: Law[] = [];
      let drawn = 0;

      /** Draws the children of `parent`, the law of which is one row of `output`. */
      const expand = (output: StepOutput, row: number, parent: number, count: number): void => {
        const path = Array.from(pathTo(Int32Array.from(parents), parent), (node) => tokens[node]!);
        for (const token of path) sampler.push(token);
        try {
          const law = copyLaw(sampler.law(output, row, position + path.length));
          rest.load(law);
          for (let i = 0; i < count && tokens.length < context.maxTokens; i++) {
            if (!(rest.total > 0)) break;
            // One position for the whole draft: its numbers are then never used again.
            const token = drawFromLaw(rest, random.uniform(position, randomStream.draft, drawn++));
            tokens.push(token);
            parents.push(parent);
            laws.push(law);
            if (kind === "distinct") rest.remove(token);
          }
        } finally {
          for (let i = 0; i < path.length; i++) sampler.pop();
        }
      };

      const { missing, runMs: prefillMs } = await follower.follow(history, 0, signal);
      let runMs = prefillMs;
      if (missing !== null && sequence.length + missing.length <= sequence.info.maxLength) {
        const output = await follower.feed(missing, wanted(sequence, context, "last"), signal);
        runMs += output.runMs;
        expand(output, 0, -1, branching[0]!);
        let from = 0;
        for (let level = 1; level < depth && tokens.length < context.maxTokens; level++) {
          const end = tokens.length;
          if (from === end || sequence.length + end > sequence.info.maxLength) break;
          const rows = await runTree(sequence, tokens, parents, context);
          runMs += rows.runMs;
          for (let node = from; node < end; node++) {
            if (!context.stopIds.has(tokens[node]!)) expand(rows, node, node, branching[level]!);
          }
          from = end;
        }
      }
      return {
        tokens: Uint32Array.from(tokens),
        parents: Int32Array.from(parents),
        laws,
        runMs,
        prefillMs,
      };
    },
  };
}

/** A row for every token of the tree; the cache is as before afterwards. */
async function runTree(
  sequence: Sequence,
  tokens: readonly number[],
  parents: readonly number[],
  context: DraftContext,
): Promise<StepOutput> {
  const base = sequence.length;
  const tree = Int32Array.from(parents);
  const ids = { tokens: Uint32Array.from(tokens) };
  const block = isBranching(tree) ? { ...ids, parents: tree } : ids;
  const options = stepOptions(wanted(sequence, context, "all"), context.signal);
  const output = await sequence.step(block, options);
  await sequence.keep(Uint32Array.from({ length: base }, (_, i) => i));
  return output;
}

function wanted(
  { capabilities }: Sequence,
  { rowReach }: DraftContext,
  rows: "all" | "last",
): LogitsWanted {
  return capabilities.top && rowReach !== null ? { top: rowReach, rows } : rows;
}
