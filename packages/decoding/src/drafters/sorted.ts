import type { Sequence } from "@frugal/core";

import { ExitSequence } from "../layers/exit-sequence.ts";
import { expectRange } from "../sampling/sampling-options.ts";
import { draftModel, type DraftModelOptions } from "./draft-model.ts";
import type { Drafter } from "./drafter.ts";

/** Options of {@link sortedDrafter}. */
export interface SortedDrafterOptions extends DraftModelOptions {
  /**
   * The draft model as consecutive ranges of layers, each with final norm and head: empty sequences,
   * the first of tokens, the others of hidden states. They stay the caller's to dispose of.
   */
  readonly exits: readonly Sequence[];
  /**
   * How sure each exit but the last must be, as the largest probability of its law: 0 always takes
   * it, more than 1 never.
   */
  readonly thresholds: readonly number[];
  /** The most tokens of a draft. Default: as many as are asked for. */
  readonly maxDraft?: number;
}

/**
 * A draft model that spends on every token only the layers it takes to be sure.
 *
 * Each token is drawn at the shallowest exit whose law has a probability of at least its threshold.
 * A token that exited early has no keys and values above its exit; they are made up for when a later
 * token goes deeper, for all such tokens at once, and the prompt is treated no differently. One
 * draft model thus serves several targets, each with thresholds of its own.
 *
 * Everything else is {@link draftModel}, whose rules about texts, caches and kinds of draft apply.
 * Pays for a model whose exits were trained; the text is the target's with any.
 *
 * @throws {@link InferenceError} `range` unless there are thresholds for all exits but the last.
 * @see Kavehzadeh et al., arXiv:2407.01955; `docs/algorithms/self-speculation.md`
 */
export function sortedDrafter(options: SortedDrafterOptions): Drafter {
  const { exits, thresholds, maxDraft = Infinity, ...rest } = options;
  expectRange("exits", exits.length, "at least one", exits.length >= 1);
  const wanted = exits.length - 1;
  expectRange(
    "thresholds",
    thresholds.length,
    `one for each of ${wanted}`,
    thresholds.length === wanted,
  );
  for (const threshold of thresholds) {
    expectRange("thresholds", threshold, "numbers >= 0", threshold >= 0);
  }
  const isCount = maxDraft === Infinity || (Number.isInteger(maxDraft) && maxDraft >= 1);
  expectRange("maxDraft", maxDraft, "an integer >= 1", isCount);
  const drafter = draftModel(new ExitSequence(exits, thresholds), rest);
  return {
    ...drafter,
    propose: (context) =>
      drafter.propose({ ...context, maxTokens: Math.min(context.maxTokens, maxDraft) }),
  };
}
