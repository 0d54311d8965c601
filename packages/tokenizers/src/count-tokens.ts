import { InferenceError } from "@frugal/core";
import type { EncodeOptions } from "./encoding.ts";
import { StreamEncoder } from "./stream-encoder.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How {@link countTokens} reads its text, and when it may stop. */
export interface CountOptions extends Pick<EncodeOptions, "addSpecialTokens" | "special"> {
  /** Stop as soon as there are more than this. Default: none. */
  readonly limit?: number;
}

/** Text read at a time with a limit: a few tokens of any language for each one that is allowed. */
const UNITS_PER_TOKEN = 4;
const LEAST_UNITS = 64;
const MOST_UNITS = 1 << 16;

/**
 * How many tokens `encode` makes of a text. With a limit, some number above the limit when there are
 * more than it allows, so that `countTokens(...) <= limit` is the question whether a text fits.
 *
 * Cost: O(text) without a limit. With one, O(limit) plus twice the longest stretch without a cut,
 * however long the text is, for a tokenizer that knows where text may be cut (`Tokenizer.cuts`), and
 * O(text) for the others.
 *
 * @throws {@link InferenceError} `range` if the limit is no number of tokens.
 */
export function countTokens(
  tokenizer: Tokenizer,
  text: string,
  options: CountOptions = {},
): number {
  const { limit = Infinity } = options;
  if (!(limit >= 0)) {
    throw new InferenceError("range", `limit: expected a number from 0 up, got ${limit}`);
  }
  const step = Math.min(MOST_UNITS, Math.max(LEAST_UNITS, UNITS_PER_TOKEN * limit));
  if (tokenizer.cuts === null || limit === Infinity || text.length <= step) {
    return tokenizer.encode(text, only(options)).ids.length;
  }
  const encoder = new StreamEncoder(tokenizer, only(options));
  let count = 0;
  for (let from = 0; from < text.length; from += step) {
    count += encoder.push(text.slice(from, from + step)).length;
    if (count > limit) return count;
  }
  return count + encoder.flush().length;
}

function only({ addSpecialTokens, special }: CountOptions): EncodeOptions {
  return {
    ...(addSpecialTokens !== undefined && { addSpecialTokens }),
    ...(special !== undefined && { special }),
  };
}
