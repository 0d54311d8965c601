import type { CachePolicy, Sequence } from "@frugal/core";

import { probabilityOf } from "../sampling/law.ts";
import { Residual } from "../sampling/residual.ts";
import { expectRange } from "../sampling/sampling-options.ts";
import type { Drafter } from "./drafter.ts";
import { DrawnTree } from "./drawn-tree.ts";
import { createFollower } from "./follower.ts";
import { SlotHeap } from "./slot-heap.ts";
import { expectOpenTree } from "./template-tree.ts";

/** Options of {@link dynamicTree}. */
export type DynamicTreeOptions = {
  /** What the draft model's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
} & (
  | {
      /** How many tokens, at least 1; fewer where fewer are asked for. */
      readonly budget: number;
    }
  | {
      /** Least probability that a token is looked at, in (0, 1). */
      readonly threshold: number;
      /** The most levels, at least 1. Default 8. */
      readonly maxDepth?: number;
    }
);

/**
 * A drafter of trees that grow where the draft model finds it likeliest that they will be used; for
 * `recursiveRejection`.
 *
 * A slot, the place of a next sibling or of a first child, is reached with probability `v`: 1 for
 * the first token, and where token `y` of share `R(y)` of what is left of a law was drawn, `v R(y)`
 * below it and `v (1 - R(y))` beside it. With `budget` the likeliest slot is filled next, ties to the
 * shallower and then the older one; with `threshold`, level by level, all slots with `v` at least
 * that. Which slots exist depends on tokens drawn before and never on the one drawn into them, so
 * the text keeps its law. For `gumbelCoupled`, `sampleMatch` and `greedy` as in `sequoiaTree`.
 *
 * Cost: at most one row of the draft model per token. With `budget`, a step whenever the likeliest
 * slot is below a token that has not run, for all such tokens together; with `threshold` one per
 * level.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval; `unsupported` for a
 *   draft model without `openTree`.
 * @see Xiong et al., arXiv:2410.11744; `docs/algorithms/drawn-trees.md`
 */
export function dynamicTree(sequence: Sequence, options: DynamicTreeOptions): Drafter {
  expectOpenTree(sequence);
  const follower = createFollower(sequence, options.cache ?? null);
  const grow = "budget" in options ? byBudget(options.budget) : byThreshold(options);
  return {
    kinds: ["distinct", "coupled", "point"],
    trees: true,
    vocabSize: sequence.info.vocabSize,
    async propose(context) {
      const tree = await DrawnTree.plant(sequence, follower, context, context.maxTokens);
      if (tree.canGrow(-1)) await grow(tree, sequence);
      return tree.toDraft();
    },
  };
}

type Grow = (tree: DrawnTree, sequence: Sequence) => Promise<void>;

function byBudget(budget: number): Grow {
  expectRange("budget", budget, "an integer >= 1", Number.isInteger(budget) && budget >= 1);
  return async (tree, sequence) => {
    const slots = new SlotHeap();
    slots.push({ reach: 1, depth: 1, node: -1, rest: null });
    while (tree.tokens.length < budget && !tree.isFull) {
      const slot = slots.pop();
      if (slot === null) break;
      const { reach, depth, node } = slot;
      if (!tree.isOpen(node)) {
        const waiting = slots.nodes().filter((other) => !tree.isOpen(other));
        const free = sequence.info.maxLength - sequence.length;
        if (free < 1) break;
        await tree.open([node, ...waiting].slice(0, free).sort((a, b) => a - b));
      }
      const rest = slot.rest ?? new Residual();
      if (slot.rest === null) rest.load(tree.lawAfter(node));
      if (!(rest.total > 0)) continue;
      const token = tree.draw(rest, node);
      const share = probabilityOf(rest, token);
      const child = tree.add(node, token);
      rest.remove(token);
      if (rest.total > 0) slots.push({ reach: reach * (1 - share), depth, node, rest });
      if (tree.canGrow(child)) {
        slots.push({ reach: reach * share, depth: depth + 1, node: child, rest: null });
      }
    }
  };
}

function byThreshold(options: { readonly threshold: number; readonly maxDepth?: number }): Grow {
  const { threshold, maxDepth = 8 } = options;
  expectRange("threshold", threshold, "a number in (0, 1)", threshold > 0 && threshold < 1);
  expectRange("maxDepth", maxDepth, "an integer >= 1", Number.isInteger(maxDepth) && maxDepth >= 1);
  const rest = new Residual();
  return async (tree, sequence) => {
    let level: { readonly node: number; readonly reach: number }[] = [{ node: -1, reach: 1 }];
    for (let depth = 1; depth <= maxDepth && level.length > 0; depth++) {
      if (depth > 1) {
        if (sequence.length + level.length > sequence.info.maxLength) return;
        await tree.open(level.map(({ node }) => node));
      }
      const next: typeof level = [];
      for (const { node, reach } of level) {
        rest.load(tree.lawAfter(node));
        let left = reach;
        while (left >= threshold && rest.total > 0 && !tree.isFull) {
          const token = tree.draw(rest, node);
          const share = left * probabilityOf(rest, token);
          const child = tree.add(node, token);
          rest.remove(token);
          left -= share;
          if (share >= threshold && tree.canGrow(child)) next.push({ node: child, reach: share });
        }
      }
      level = next;
    }
  };
}
