import { PatternMatcher } from "./pattern-matcher.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";
import { eachPart } from "./split.ts";
import { GPT2_RULES } from "./word-scanner.ts";

/** GPT-2's pattern, in JavaScript's dialect. */
export const GPT2_PATTERN: string =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\p{White_Space}\\p{L}\\p{N}]+|" +
  "\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+";

/**
 * The cutting half of byte-level encoding: puts a space before text that has none, if `prefix`, and
 * cuts by GPT-2's pattern, if `useRegex`. The other half, bytes to stand-ins, is the model's.
 * O(length).
 *
 * @see `ByteLevel::pre_tokenize` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/pre_tokenizers/byte_level.rs
 */
export function byteLevelPreTokenizer(prefix: boolean, useRegex: boolean): PreTokenizer {
  const matcher = useRegex ? new PatternMatcher(GPT2_PATTERN, "u", GPT2_RULES) : null;
  return (text, start, sink) => {
    if (text.length === 0) return;
    const prefixed = prefix && !text.startsWith(" ");
    const whole = prefixed ? ` ${text}` : text;
    const shift = prefixed ? 1 : 0;
    const emit = (from: number, to: number): void =>
      sink(whole.slice(from, to), start + Math.max(0, from - shift), prefixed && from === 0);
    if (matcher === null) emit(0, whole.length);
    else eachPart(matcher, whole, emit, emit);
  };
}
