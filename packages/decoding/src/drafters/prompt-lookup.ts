import { expectRange, isIn } from "../sampling/sampling-options.ts";
import { cutAtStop } from "./cut-at-stop.ts";
import type { Drafter } from "./drafter.ts";
import { createNgramIndex, type NgramIndex } from "./ngram-index.ts";
import type { TokenView } from "./token-view.ts";

/** Options of {@link promptLookup}. */
export interface PromptLookupOptions {
  /** The longest suffix that is looked up, in [1, 64]. Default 3. */
  readonly maxNgram?: number;
  /** The shortest, tried last. Default 2: single tokens match often and guess badly. */
  readonly minNgram?: number;
  /**
   * Which earlier occurrence is continued.
   *
   * - `"last"` (default): the most recent one.
   * - `"first"`: the earliest one.
   * - `"first-full"`: the earliest one, and only if as many tokens follow it as were asked for and
   *   the copy starts before the suffix itself does.
   */
  readonly match?: "last" | "first" | "first-full";
}

/**
 * A drafter that copies what followed an earlier occurrence of the text's last tokens.
 *
 * Needs no second model. It pays where the answer repeats the prompt or itself: summaries, edits,
 * code. The longest suffix, from `maxNgram` down to `minNgram`, that occurs earlier wins; the copy
 * is clipped at the end of the text (it may run into the suffix) and after a stop id. An
 * incremental index makes a proposal O(maxNgram²) and a new token O(maxNgram), whatever the length
 * of the text.
 *
 * @throws {@link InferenceError} `range` unless `1 <= minNgram <= maxNgram <= 64`.
 * @see `docs/algorithms/prompt-lookup.md`; apoorvumang/prompt-lookup-decoding
 */
export function promptLookup(options: PromptLookupOptions = {}): Drafter {
  const { maxNgram = 3, minNgram = Math.min(2, maxNgram), match = "last" } = options;
  expectRange("maxNgram", maxNgram, "an integer in [1, 64]", isIn(maxNgram, 1, 64));
  const low = `an integer in [1, ${maxNgram}]`;
  expectRange("minNgram", minNgram, low, isIn(minNgram, 1, maxNgram));
  const known = match === "last" || match === "first" || match === "first-full";
  expectRange("match", match, '"last", "first" or "first-full"', known);

  let tokens: TokenView | null = null;
  let index: NgramIndex | null = null;

  /** Last index of the occurrence to continue, or -1. */
  const findMatch = (history: TokenView, maxTokens: number): number => {
    const last = history.length - 1;
    for (let n = Math.min(maxNgram, last); n >= minNgram; n--) {
      const end = index!.find(last, n);
      if (end < 0) continue;
      const isFull = end + maxTokens <= last && end + 1 < history.length - n;
      if (match !== "first-full" || isFull) return end;
    }
    return -1;
  };

  return {
    kinds: ["point"],
    propose({ history, maxTokens, stopIds }) {
      if (tokens !== history || index === null) {
        tokens = history;
        index = createNgramIndex(history, minNgram, maxNgram, match === "last" ? "last" : "first");
      }
      // Everything but the suffix itself, which must not be its own earlier occurrence.
      index.extend(history.length - 1);
      const end = findMatch(history, maxTokens);
      if (end < 0) return { tokens: new Uint32Array(0), runMs: 0 };
      const copy = history.slice(end + 1, Math.min(end + 1 + maxTokens, history.length));
      return { tokens: cutAtStop(copy, stopIds), runMs: 0 };
    },
  };
}
