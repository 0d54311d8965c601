import { PatternMatcher } from "./pattern-matcher.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";
import { splitPreTokenizer } from "./split.ts";

/**
 * Sets numbers apart: each digit on its own if `individual`, else each run. A digit is any character
 * of category N, so that `½` and `Ⅷ` count. O(length).
 *
 * @see `Digits` in huggingface/tokenizers (3ba8ad0): tokenizers/src/pre_tokenizers/digits.rs
 */
export function digitsPreTokenizer(individual: boolean): PreTokenizer {
  const matcher = new PatternMatcher(individual ? "\\p{N}" : "\\p{N}+", "u");
  return splitPreTokenizer(matcher, "Isolated", false);
}
