import {
  type AbortLike,
  type CachePolicy,
  InferenceError,
  type LogitsWanted,
  randomStream,
  type Sequence,
} from "@frugal/core";

import { prefill, stepOptions, trim } from "../generate/prefill.ts";
import { drawGumbel } from "../sampling/gumbel.ts";
import { copyLaw, drawFromLaw, guessDraw, type Law } from "../sampling/law.ts";
import type { Draft, Drafter } from "./drafter.ts";
import type { TokenView } from "./token-view.ts";

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

/** Keeps a sequence's cache in step with a text that it did not write itself. */
function createFollower(sequence: Sequence, policy: CachePolicy | null) {
  /** Everything fed, in order, drafted tokens included. */
  const fed: number[] = [];
  /** Index in `fed` of each cached row. */
  let rows: number[] = [];
  /** How many leading tokens of `fed` are known to be those of `text`. */
  let agreed = 0;
  let text: TokenView | null = null;

  const onTrim = (kept: Uint32Array): void => {
    rows = Array.from(kept, (slot) => rows[slot]!);
  };

  const note = (tokens: Uint32Array): void => {
    for (const token of tokens) {
      rows.push(fed.length);
      fed.push(token);
    }
  };

  /** Drops from the cache what the text does not begin with, and always its last token. */
  const rollBack = async (history: TokenView): Promise<void> => {
    let common = history === text ? agreed : 0;
    const end = Math.min(fed.length, history.length - 1);
    while (common < end && fed[common] === history.at(common)) common++;
    let slots = rows.length;
    while (slots > 0 && rows[slots - 1]! >= common) slots--;
    if (slots < rows.length) {
      await sequence.keep(Uint32Array.from({ length: slots }, (_, i) => i));
      rows.length = slots;
    }
    fed.length = common;
    agreed = common;
    text = history;
  };

  return {
    /**
     * Brings the cache up to the text but for a last short block, which is returned so that its
     * step can ask for logits; null where the context has no room. The policy makes room for that
     * block and `ahead` rows more.
     */
    async follow(
      history: TokenView,
      ahead: number,
      signal: AbortLike | undefined,
    ): Promise<{ readonly missing: Uint32Array | null; readonly runMs: number }> {
      if (text === null && sequence.length > 0) {
        const got = `${sequence.length} cached positions`;
        throw new InferenceError("state", `draftModel: expected an empty sequence, got ${got}`);
      }
      await rollBack(history);
      const { maxLength } = sequence.info;
      const missing = history.slice(fed.length);
      const isTooLong = sequence.length + missing.length > maxLength;
      if (isTooLong && policy === null) return { missing: null, runMs: 0 };
      // After a step one or two tokens are missing; more of them are a prompt, or were emitted
      // while nothing was drafted.
      let runMs = 0;
      if (missing.length > 2) {
        const before = missing.subarray(0, -1);
        const options = { policy, chunk: null, logits: "none", signal, onTrim } as const;
        runMs = (await prefill(sequence, before, { ...options, onFed: note })).runMs;
      }
      const rest = history.slice(fed.length);
      await trim(sequence, policy, rest.length + ahead, onTrim);
      return { missing: rest, runMs };
    },
    async feed(tokens: Uint32Array, logits: LogitsWanted, signal: AbortLike | undefined) {
      const output = await sequence.step({ tokens }, stepOptions(logits, signal));
      note(tokens);
      return output;
    },
  };
}
