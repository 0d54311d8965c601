import type { CachePolicy, LogitsWanted, Sequence } from "@frugal/core";

import type { Draft, DraftContext, Drafter } from "./drafter.ts";
import { expectGrowing } from "./eagle.ts";
import { createFeatureCache, type FeatureCache } from "./feature-cache.ts";
import { openLevels } from "./feature-levels.ts";
import { eagleChoices } from "./published-choices.ts";
import { StaticTree } from "./static-tree.ts";
import {
  type FlatTemplate,
  flattenTemplate,
  type RankTemplate,
} from "./token-recycling-template.ts";

/** Options of {@link eagleStaticDrafter}. */
export interface EagleStaticOptions {
  /** The tree, level by level. Default {@link eagleChoices}. */
  readonly choices?: RankTemplate;
  /** What the head's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
}

/**
 * A drafter that asks a draft head for a tree of fixed shape.
 *
 * For `recursiveRejection` the children of a token are drawn without replacement from the head's
 * law under the target's sampling options, and the laws reported: as EAGLE-1 samples. For verifiers
 * of guesses they are the likeliest tokens. Takes the same sequences as `eagleDrafter`.
 *
 * @throws {@link InferenceError} `range` for choices that are no tree; `unsupported` as there.
 * @see Li et al., arXiv:2401.15077; `docs/algorithms/draft-heads.md`
 */
export function eagleStaticDrafter(sequence: Sequence, options: EagleStaticOptions = {}): Drafter {
  const { choices = eagleChoices, cache = null } = options;
  expectGrowing(sequence, true);
  const { vocabSize } = sequence.info;
  const template = flattenTemplate(choices, Math.min(64, vocabSize));
  const features = createFeatureCache(sequence, cache);
  return {
    kinds: ["distinct", "point"],
    trees: true,
    vocabSize,
    wants: { taps: features.reads },
    readPrompt: (rows) => features.readPrompt(rows),
    observe: (block) => features.observe(block),
    propose: (context) => propose(sequence, features, template, context),
  };
}

async function propose(
  sequence: Sequence,
  features: FeatureCache,
  template: FlatTemplate,
  context: DraftContext,
): Promise<Draft> {
  const logits = wantedOf(sequence, template, context);
  const widest = template.parents.length;
  const first = await features.follow(context, withRows(logits, "last"), widest);
  const { output, prefillMs } = first;
  const tree = new StaticTree(template, context);
  if (output === null) return { ...tree.draft(), runMs: first.runMs, prefillMs };
  let { runMs } = first;
  tree.addChildren(output, 0, -1);
  const levels = openLevels(sequence, output.taps[0]!, context.signal);
  try {
    for (let depth = 1; depth < context.maxDepth; depth++) {
      const nodes = tree.innerNodes(depth);
      if (nodes.length === 0 || !levels.hasRoom(nodes.length)) break;
      const tokens = Uint32Array.from(nodes, (node) => tree.tokens[node]!);
      const rows = await levels.run(tokens, tree.openRows(nodes), withRows(logits, "all"));
      runMs += rows.runMs;
      for (const [row, node] of nodes.entries()) tree.addChildren(rows, row, node);
    }
  } finally {
    await levels.close();
  }
  return { ...tree.draft(), runMs, prefillMs };
}

/** As many logits as there are ranks, or as the laws need. */
function wantedOf(
  { info }: Sequence,
  { ranks }: FlatTemplate,
  { kind, rowReach }: DraftContext,
): number | null {
  return kind === "point" ? Math.min(info.vocabSize, Math.max(...ranks) + 1) : rowReach;
}

function withRows(top: number | null, rows: "all" | "last"): LogitsWanted {
  return top === null ? rows : { top, rows };
}
