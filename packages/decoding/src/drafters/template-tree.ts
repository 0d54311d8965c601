import { type CachePolicy, InferenceError, type Sequence } from "@frugal/core";

import { Residual } from "../sampling/residual.ts";
import type { Drafter, DraftKind } from "./drafter.ts";
import { DrawnTree } from "./drawn-tree.ts";
import { createFollower } from "./follower.ts";
import { flattenTemplate, likelyTemplate, type RankTemplate } from "./token-recycling-template.ts";

/** Options of {@link sequoiaTree}. */
export interface SequoiaTreeOptions {
  /**
   * The tree; siblings are drawn in its order, whatever their ranks. Where fewer tokens are asked for,
   * its first nodes. Default: eight tokens for the acceptance of a fair draft model; `chooseTree`
   * finds the best one for measured acceptance and costs.
   */
  readonly tree?: RankTemplate;
  /** What the draft model's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
}

/**
 * A drafter of trees of a fixed shape, whose siblings are draws of a draft model without
 * replacement; for `recursiveRejection`.
 *
 * For `gumbelCoupled` the siblings are the first of the target's own race (the largest of
 * `ln q + g`); for `sampleMatch` and `greedy` guesses at what the target will draw. The sequence must
 * be empty at first use and take trees that grow, and stays the caller's to dispose of.
 *
 * Cost: one step of the draft model per level, each row once.
 *
 * @throws {@link InferenceError} `range` for a template that is none; `unsupported` for a draft model
 *   without `openTree`.
 * @see Chen et al., arXiv:2402.12374; `docs/algorithms/drawn-trees.md`
 */
export function sequoiaTree(sequence: Sequence, options: SequoiaTreeOptions = {}): Drafter {
  const { tree = likelyTemplate([0.6, 0.15, 0.06], 8, 5), cache = null } = options;
  return templateTree(sequence, tree, cache, ["distinct", "coupled", "point"]);
}

/**
 * Draws the first `maxTokens` nodes of a template, level by level. Where a law has fewer tokens than
 * there are ranks, the rest is left out.
 */
export function templateTree(
  sequence: Sequence,
  template: RankTemplate,
  cache: CachePolicy | null,
  kinds: readonly DraftKind[],
): Drafter {
  const below = childLists(flattenTemplate(template, Infinity).parents);
  expectOpenTree(sequence);
  const follower = createFollower(sequence, cache);
  const rest = new Residual();
  return {
    kinds,
    trees: true,
    vocabSize: sequence.info.vocabSize,
    async propose(context) {
      const count = Math.min(template.length, context.maxTokens);
      const tree = await DrawnTree.plant(sequence, follower, context, count);
      /** Places of the template, -1 for the root, and the nodes that were drawn there. */
      type Placed = { readonly place: number; readonly node: number };
      const children = ({ place, node }: Placed): Placed[] => {
        const drawn: Placed[] = [];
        rest.load(tree.lawAfter(node));
        for (const child of below[place + 1]!) {
          if (child >= count || !(rest.total > 0)) break;
          const token = tree.draw(rest, node);
          drawn.push({ place: child, node: tree.add(node, token) });
          if (context.kind !== "sampled") rest.remove(token);
        }
        return drawn;
      };

      let level: Placed[] = tree.canGrow(-1) ? [{ place: -1, node: -1 }] : [];
      while (level.length > 0) {
        level = level
          .flatMap(children)
          .filter(({ place, node }) => below[place + 1]![0]! < count && tree.canGrow(node));
        if (sequence.length + level.length > sequence.info.maxLength) break;
        await tree.open(level.map(({ node }) => node));
      }
      return tree.toDraft();
    },
  };
}

/** The children of every place, ascending; entry 0 has those of the root. */
function childLists(parents: Int32Array): readonly (readonly number[])[] {
  const lists: number[][] = Array.from({ length: parents.length + 1 }, () => []);
  for (const [place, parent] of parents.entries()) lists[parent + 1]!.push(place);
  return lists;
}

/** @throws {@link InferenceError} `unsupported` for a model whose trees do not grow. */
export function expectOpenTree({ capabilities }: Sequence): void {
  if (capabilities.openTree) return;
  const message = "sequence: expected a model whose trees grow (openTree), got one without";
  throw new InferenceError("unsupported", message);
}
