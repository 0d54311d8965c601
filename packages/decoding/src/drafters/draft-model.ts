import type { CachePolicy, Sequence } from "@frugal/core";

import { confidenceOf } from "../sampling/confidence.ts";
import { expectRange } from "../sampling/sampling-options.ts";
import type { Drafter } from "./drafter.ts";
import { drawChain } from "./draw-chain.ts";
import { createFollower } from "./follower.ts";

/** Options of {@link draftModel}. */
export interface DraftModelOptions {
  /** What the draft model's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
  /**
   * A token is the last one of its draft where the draft model gave the likeliest less than this
   * probability, before temperature and penalties. In [0, 1); default 0, never.
   */
  readonly minConfidence?: number;
}

/**
 * A drafter that asks a smaller model with the same vocabulary.
 *
 * The draft's logits pass through the target's sampling options. For a verifier that wants guesses
 * (`sampleMatch`) the token at a position is the likeliest one given the very random number that the
 * target will draw with (`guessDraw`): similar laws mostly give the same token, and the text
 * still depends on the target alone. For `gumbelCoupled` it is drawn with the target's noise. For
 * rejection rules tokens are drawn independently (stream `draft`) and their laws reported.
 *
 * Keeps `sequence` in step with the text: feeds what it has not seen and rolls back what was
 * refused. The sequence must be empty at first use; it stays the caller's to dispose of, and may
 * serve one `generate` after another. Without a policy, and once the context is full, it drafts
 * nothing. Cost: one step of the draft model per token.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see Leviathan et al., arXiv:2211.17192; `docs/algorithms/speculative-decoding.md`
 */
export function draftModel(sequence: Sequence, options: DraftModelOptions = {}): Drafter {
  const { cache = null, minConfidence = 0 } = options;
  const isShare = minConfidence >= 0 && minConfidence < 1;
  expectRange("minConfidence", minConfidence, "a number in [0, 1)", isShare);
  const follower = createFollower(sequence, cache);
  return {
    kinds: ["point", "sampled", "distinct", "coupled"],
    vocabSize: sequence.info.vocabSize,
    async propose(context) {
      const { history, maxTokens, signal } = context;
      const synced = await follower.follow(history, maxTokens - 1, signal);
      const prefillMs = synced.runMs;
      if (synced.missing === null)
        return { tokens: new Uint32Array(0), runMs: prefillMs, prefillMs };
      const draft = await drawChain(context, {
        lead: synced.missing,
        limit: maxTokens,
        top: sequence.capabilities.top,
        isSure: (output) => minConfidence === 0 || confidenceOf(output) >= minConfidence,
        step: async (tokens, logits) => {
          if (sequence.length + tokens.length > sequence.info.maxLength) return null;
          return follower.feed(tokens, logits, signal);
        },
      });
      return { ...draft, runMs: prefillMs + draft.runMs, prefillMs };
    },
  };
}
