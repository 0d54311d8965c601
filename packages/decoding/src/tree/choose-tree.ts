import { InferenceError } from "@frugal/core";

import { likelyTemplate, type RankTemplate } from "../drafters/token-recycling-template.ts";
import { expectRange } from "../sampling/sampling-options.ts";

/** What the steps that a tree needs cost, in any one unit. */
export interface TreeCosts {
  /** A step of the draft model; a tree of depth `d` takes `d` of them. */
  readonly draft: number;
  /** A step of the target with so many rows, the root among them. */
  readonly target: (rows: number) => number;
}

/** A tree, or none, and what it promises. */
export interface ChosenTree {
  /** Empty where plain decoding is faster. */
  readonly tree: RankTemplate;
  /** Expected tokens per step, at least 1. */
  readonly tokens: number;
  /** How many times as fast as plain decoding. */
  readonly ratio: number;
}

/**
 * The expected number of tokens of a step with this tree, if a child of rank `r` is the accepted one
 * with probability `acceptance[r]` at every node: 1 and the sum of all path products.
 */
export function expectedYield(tree: RankTemplate, acceptance: readonly number[]): number {
  let sum = 1;
  for (const path of tree) {
    sum += path.reduce((product, rank) => product * (acceptance[rank] ?? 0), 1);
  }
  return sum;
}

/**
 * The tree that decodes fastest, of all sizes and depths.
 *
 * For every depth the best tree of a size is the beginning of the one of the largest size
 * (`likelyTemplate`); of all these the one with the most expected tokens per unit of time
 * `depth * draft + target(nodes + 1)` is taken, ties to the smaller one. Trees are small where rows
 * are dear: with the costs of a CPU often a chain.
 *
 * Cost: O(maxDepth maxNodes²), once.
 *
 * @throws {@link InferenceError} `range` for acceptance or limits as in `likelyTemplate`, or costs
 *   that are not positive.
 * @see Chen et al., arXiv:2402.12374; `docs/algorithms/drawn-trees.md`
 */
export function chooseTree(
  acceptance: readonly number[],
  costs: TreeCosts,
  maxNodes: number = 16,
  maxDepth: number = 8,
): ChosenTree {
  const plain = costs.target(1);
  expectRange("costs.draft", costs.draft, "a number >= 0", costs.draft >= 0);
  expectRange("costs.target(1)", plain, "a positive number", plain > 0 && plain < Infinity);
  let best: ChosenTree = { tree: [], tokens: 1, ratio: 1 };
  for (let depth = 1; depth <= maxDepth; depth++) {
    const tree = likelyTemplate(acceptance, maxNodes, depth);
    let reached = 0;
    let tokens = 1;
    for (const [i, path] of tree.entries()) {
      reached = Math.max(reached, path.length);
      tokens += path.reduce((product, rank) => product * acceptance[rank]!, 1);
      const cost = reached * costs.draft + costs.target(i + 2);
      expectRange(`costs.target(${i + 2})`, cost, "a positive number", cost > 0);
      const ratio = (tokens * plain) / cost;
      if (ratio > best.ratio) best = { tree: tree.slice(0, i + 1), tokens, ratio };
    }
  }
  return best;
}

/**
 * How often each sibling is the accepted one: from the index of the accepted child in steps whose
 * drafts had `width` children after the last token of the text, -1 where none was.
 *
 * The shares are made non-increasing by pooling neighbours that are out of order, which is the
 * closest such sequence; `likelyTemplate` and {@link chooseTree} want it so.
 *
 * @throws {@link InferenceError} `shape` without outcomes; `range` for one outside `[-1, width)`.
 */
export function estimateAcceptance(outcomes: ArrayLike<number>, width: number): number[] {
  if (outcomes.length === 0) {
    throw new InferenceError("shape", "outcomes: expected at least one, got none");
  }
  const counts = Array.from({ length: width }, () => 0);
  for (let i = 0; i < outcomes.length; i++) {
    const outcome = outcomes[i]!;
    const isOutcome = Number.isInteger(outcome) && outcome >= -1 && outcome < width;
    expectRange(`outcomes[${i}]`, outcome, `an integer in [-1, ${width})`, isOutcome);
    if (outcome >= 0) counts[outcome] = counts[outcome]! + 1;
  }
  return poolFalling(counts.map((count) => count / outcomes.length));
}

/** The non-increasing sequence with the least squared distance: pool adjacent violators. */
function poolFalling(values: readonly number[]): number[] {
  const pools: { sum: number; size: number }[] = [];
  for (const value of values) {
    pools.push({ sum: value, size: 1 });
    for (let i = pools.length - 1; i > 0; i--) {
      const [left, right] = [pools[i - 1]!, pools[i]!];
      if (left.sum / left.size >= right.sum / right.size) break;
      pools.splice(i - 1, 2, { sum: left.sum + right.sum, size: left.size + right.size });
    }
  }
  return pools.flatMap(({ sum, size }) => Array.from({ length: size }, () => sum / size));
}
