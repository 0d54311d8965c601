import { InferenceError } from "@frugal/core";
import { TokenBoundaries } from "./token-boundaries.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * The part of a text that its tokens from `start` up to `end` stand for, cut between characters, and
 * never more than `end - start` tokens when it is encoded again on its own. No template is counted.
 *
 * Tokens may be parts of characters, and text may be cut otherwise without what stood around it. So
 * the slice begins at the first token from `start` on that begins with a whole character, and ends
 * before the last token up to `end` that leaves whole characters and few enough tokens: it may hold
 * fewer than were asked for, and be empty. `sliceByTokens(tokenizer, text, 0, n)` cuts a text to a
 * budget.
 *
 * Cost: O(text), and the slice is encoded once more, a few times where the edges are unlucky.
 *
 * @throws {@link InferenceError} `range` unless `0 <= start <= end`, both whole numbers; `end` may
 *   be `Infinity`.
 */
export function sliceByTokens(
  tokenizer: Tokenizer,
  text: string,
  start: number,
  end: number,
  options: { readonly special?: "parse" | "text" } = {},
): string {
  if (!Number.isInteger(start) || start < 0) {
    throw new InferenceError("range", `start: expected a whole number from 0 up, got ${start}`);
  }
  if (!(end >= start) || (end !== Infinity && !Number.isInteger(end))) {
    throw new InferenceError("range", `end: expected a whole number from ${start} up, got ${end}`);
  }
  const tokens = new TokenBoundaries(tokenizer, text, options.special ?? "parse");
  // Nothing but what the tokenizer drops: that fits any budget.
  if (tokens.count === 0) return start === 0 ? text : "";
  let first = start;
  while (!tokens.isClean(first)) first++;
  const stop = tokens.lastFitting(first, end, end - start);
  return stop < 0 ? "" : text.slice(tokens.startOf(first), tokens.startOf(stop));
}
