import type { CachePolicy, Sequence } from "@frugal/core";

import type { Drafter } from "./drafter.ts";
import { drawChain } from "./draw-chain.ts";
import { createFollower } from "./follower.ts";

/** Options of {@link draftModel}. */
export interface DraftModelOptions {
  /** What the draft model's own cache keeps. Default: everything, until its context is full. */
  readonly cache?: CachePolicy;
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
 * @see Leviathan et al., arXiv:2211.17192; `docs/algorithms/speculative-decoding.md`
 */
export function draftModel(sequence: Sequence, options: DraftModelOptions = {}): Drafter {
  const follower = createFollower(sequence, options.cache ?? null);
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
        step: async (tokens, logits) => {
          if (sequence.length + tokens.length > sequence.info.maxLength) return null;
          return follower.feed(tokens, logits, signal);
        },
      });
      return { ...draft, runMs: prefillMs + draft.runMs, prefillMs };
    },
  };
}
