import type { AbortLike, LogitsWanted, StepOutput } from "@frugal/core";

import type { SplitSequence } from "../layers/split-sequence.ts";
import { confidenceOf } from "../sampling/confidence.ts";
import { expectRange } from "../sampling/sampling-options.ts";
import type { Draft, Drafter } from "./drafter.ts";
import { drawChain } from "./draw-chain.ts";

/** How far a model drafts for itself. */
export interface SelfDraftOptions {
  /** The most tokens of a draft. Default 6. */
  readonly maxSteps?: number;
  /**
   * A draft ends with the first token whose law had no probability of this much; that token is
   * still part of it. 0 never ends one early, more than 1 leaves one token. Default 0.6.
   */
  readonly threshold?: number;
}

/** What says how a text goes on from the hidden states of the early exit. */
export interface EarlyVoice {
  /** Whether it can give reduced rows. */
  readonly top: boolean;
  /** Runs tokens ahead and gives the logits after the last of them. */
  speak(
    tokens: Uint32Array,
    logits: LogitsWanted,
    signal: AbortLike | undefined,
  ): Promise<StepOutput>;
  /** Reads what it has not seen of the text; milliseconds inside the model. */
  catchUp(signal: AbortLike | undefined): Promise<number>;
}

/**
 * The drafter of a model that exits early: every token runs through the first range of layers, ahead
 * of the step that verifies it, and `voice` says what follows. The last token runs too, so that
 * verification is left with the other ranges.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 */
export function createSelfDrafter(
  sequence: SplitSequence,
  voice: EarlyVoice,
  { maxSteps = 6, threshold = 0.6 }: SelfDraftOptions,
): Drafter {
  const isCount = Number.isInteger(maxSteps) && maxSteps >= 1;
  expectRange("maxSteps", maxSteps, "an integer >= 1", isCount);
  expectRange("threshold", threshold, "a number >= 0", threshold >= 0);
  return {
    kinds: ["point", "sampled", "distinct", "coupled"],
    vocabSize: sequence.info.vocabSize,
    async propose(context): Promise<Draft> {
      const { history, maxTokens, maxDepth, signal } = context;
      await sequence.dropAhead();
      const prefillMs = await voice.catchUp(signal);
      const draft = await drawChain(context, {
        lead: Uint32Array.of(history.at(history.length - 1)),
        limit: Math.min(maxSteps, maxTokens, maxDepth),
        top: voice.top,
        step: (tokens, logits) => voice.speak(tokens, logits, signal),
        isSure: (output) => confidenceOf(output) >= threshold,
      });
      const last = await sequence.runAhead(draft.tokens.subarray(-1), "none", signal);
      return { ...draft, runMs: prefillMs + draft.runMs + last.runMs, prefillMs };
    },
  };
}
