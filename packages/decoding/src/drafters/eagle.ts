import { type CachePolicy, InferenceError, type Matrix, type Sequence } from "@frugal/core";

import { expectRange } from "../sampling/sampling-options.ts";
import { CandidateTree } from "../tree/candidate-tree.ts";
import type { Draft, DraftContext, Drafter } from "./drafter.ts";
import { createFeatureCache } from "./feature-cache.ts";
import { openLevels } from "./feature-levels.ts";

/** Options of {@link eagleDrafter}. */
export interface EagleOptions {
  /** Tokens that a level goes on from, and continuations of each. Default 4. */
  readonly topK?: number;
  /** Levels, at least 1. Default 5. */
  readonly depth?: number;
  /** The most tokens of a draft. Default 16. */
  readonly totalTokens?: number;
  /** What the head's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
}

/**
 * A drafter that asks a draft head, a decoder layer over the target's hidden states, for a tree that
 * follows the head's confidence.
 *
 * From the end of the text the `topK` likeliest tokens; then, level by level, the likeliest
 * continuations of the `topK` tokens whose paths are likeliest so far; at last the `totalTokens`
 * likeliest of all that were looked at. Likelihoods are the head's own, without the target's
 * sampling options. The numbers are bounds: a smaller draft that is asked for is not grown wider
 * than that. On a target without trees it is a chain.
 *
 * `sequence` is one of the head's model (EAGLE of any version, or a module for multi-token
 * prediction); its `info.reads` says which states of the target it needs. It must be empty at first
 * use, stays the caller's to dispose of, and may serve one `generate` after another. Cost: one step
 * of the head per level.
 *
 * The defaults are for CPUs. Published for GPUs: `{ topK: 10, depth: 8, totalTokens: 59 }` (there
 * depth 7, which leaves the first level out, and 60 nodes with the root).
 *
 * @throws {@link InferenceError} `range` for a count below 1; `unsupported` for a sequence that is of
 *   no draft head or cannot grow a tree.
 * @see Li et al., arXiv:2401.15077, arXiv:2406.16858, arXiv:2503.01840; SafeAILab/EAGLE:
 *   eagle/model/cnets.py, `topK_genrate`; `docs/algorithms/draft-heads.md`
 */
export function eagleDrafter(sequence: Sequence, options: EagleOptions = {}): Drafter {
  const { topK = 4, depth = 5, totalTokens = 16, cache = null } = options;
  for (const [name, value] of Object.entries({ topK, depth, totalTokens })) {
    expectRange(name, value, "an integer >= 1", Number.isInteger(value) && value >= 1);
  }
  expectGrowing(sequence, topK > 1);
  const features = createFeatureCache(sequence, cache);

  return {
    kinds: ["point"],
    trees: topK > 1,
    vocabSize: sequence.info.vocabSize,
    wants: { taps: features.reads },
    readPrompt: (rows) => features.readPrompt(rows),
    observe: (block) => features.observe(block),
    async propose(context): Promise<Draft> {
      const width = context.tree ? Math.min(topK, context.maxTokens) : 1;
      const levels = Math.min(depth, context.maxDepth);
      const ahead = width * (levels - 1);
      const first = await features.follow(context, { top: width, rows: "last" }, ahead);
      const { output, runMs, prefillMs } = first;
      if (output === null) return { tokens: new Uint32Array(0), runMs, prefillMs };
      const tree = new CandidateTree();
      tree.grow([-1], output.top!);
      const moreMs = await expand(sequence, tree, output.taps[0]!, width, levels, context);
      const nodes = tree.rerank(Math.min(totalTokens, context.maxTokens));
      return { ...nodes, runMs: runMs + moreMs, prefillMs };
    },
  };
}

/** Options of {@link mtpDrafter}. */
export interface MtpOptions {
  /** Tokens per draft, at least 1. Default 3. */
  readonly depth?: number;
  /** What the module's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
}

/**
 * A drafter that asks a module for multi-token prediction, as some models come with, for a chain:
 * {@link eagleDrafter} without branches. The module's later guesses go on from its own states.
 *
 * @throws {@link InferenceError} as there.
 * @see DeepSeek-AI, arXiv:2412.19437, section 2.2; `docs/algorithms/draft-heads.md`
 */
export function mtpDrafter(sequence: Sequence, options: MtpOptions = {}): Drafter {
  const { depth = 3, ...rest } = options;
  return eagleDrafter(sequence, { ...rest, topK: 1, depth, totalTokens: depth });
}

/**
 * Checks what growing a tree needs of a draft head's sequence.
 *
 * @throws {@link InferenceError} `unsupported`
 */
export function expectGrowing({ capabilities }: Sequence, branches: boolean): void {
  const { top, taps, openTree } = capabilities;
  if (top && taps && (openTree || !branches)) return;
  const what = "trees that grow, reduced logits and hidden states";
  throw new InferenceError("unsupported", `sequence: expected a model with ${what}`);
}

/** Grows the levels after the first one; the milliseconds it took. */
async function expand(
  sequence: Sequence,
  tree: CandidateTree,
  state: Matrix,
  width: number,
  depth: number,
  { stopIds, signal }: DraftContext,
): Promise<number> {
  const levels = openLevels(sequence, state, signal);
  let runMs = 0;
  let before = Int32Array.of(-1);
  try {
    for (let level = 1; level < depth; level++) {
      const nodes = tree.frontier(width, stopIds);
      if (nodes.length === 0 || !levels.hasRoom(nodes.length)) break;
      const tokens = Uint32Array.from(nodes, (node) => tree.token(node));
      const parents = Uint32Array.from(nodes, (node) => before.indexOf(tree.parent(node)));
      const output = await levels.run(tokens, parents, { top: width });
      runMs += output.runMs;
      before = Int32Array.from(nodes);
      tree.grow(before, output.top!);
    }
  } finally {
    await levels.close();
  }
  return runMs;
}
