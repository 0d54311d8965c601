import { type CachePolicy, type LogitsWanted, randomStream, type Sequence } from "@frugal/core";

import { drawGumbel } from "../sampling/gumbel.ts";
import { copyLaw, drawFromLaw, guessDraw, type Law } from "../sampling/law.ts";
import type { Draft, Drafter } from "./drafter.ts";
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
 * target will draw with ({@link guessDraw}): similar laws mostly give the same token, and the text
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
      const { history, sampler, random, maxTokens, kind } = context;
      const top = sequence.capabilities.top ? context.rowReach : null;
      const isDrawn = kind === "sampled" || kind === "distinct";
      const logits: LogitsWanted = top === null ? "last" : { top, rows: "last" };

      const synced = await follower.follow(history, maxTokens - 1, context.signal);
      const tokens: number[] = [];
      const laws: Law[] = [];
      let runMs = synced.runMs;
      let block = synced.missing;
      let position = history.start + history.length;
      try {
        while (block !== null && tokens.length < maxTokens) {
          if (sequence.length + block.length > sequence.info.maxLength) break;
          const output = await follower.feed(block, logits, context.signal);
          runMs += output.runMs;
          const law = sampler.law(output, 0, position);
          const token =
            kind === "coupled"
              ? drawGumbel(law, random, position)
              : isDrawn
                ? drawFromLaw(law, random.uniform(position, randomStream.draft))
                : guessDraw(law, random.uniform(position));
          if (isDrawn) laws.push(copyLaw(law));
          tokens.push(token);
          if (context.stopIds.has(token)) break;
          sampler.push(token);
          block = Uint32Array.of(token);
          position++;
        }
      } finally {
        const pushed = position - history.start - history.length;
        for (let i = 0; i < pushed; i++) sampler.pop();
      }
      const draft: Draft = {
        tokens: Uint32Array.from(tokens),
        runMs,
        prefillMs: synced.runMs,
      };
      return isDrawn ? { ...draft, laws } : draft;
    },
  };
}
