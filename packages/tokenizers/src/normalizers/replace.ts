import { codePointBefore } from "../character-classes.ts";
import { OriginBuilder } from "../origin-builder.ts";
import type { PatternMatcher } from "../pre-tokenizers/pattern-matcher.ts";
import type { Normalizer } from "./normalizer.ts";

/**
 * Puts `content` in place of every match. It has the range of the match's last character, or, where
 * the match is empty, of the character before it. O(length).
 *
 * @see `NormalizedString::replace` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/tokenizer/normalizer.rs
 */
export function replaceNormalizer(matcher: PatternMatcher, content: string): Normalizer {
  return (text, withOrigin) => {
    let result = "";
    let done = 0;
    let found = false;
    const out = withOrigin ? new OriginBuilder(text.length) : null;
    matcher.each(text, (start, end) => {
      found = true;
      if (out === null) result += text.slice(done, start) + content;
      else {
        out.copy(text, done, start);
        const last = end === 0 ? 0 : end - (codePointBefore(text, end) >= 0x10000 ? 2 : 1);
        out.put(content, last, end);
      }
      done = end;
    });
    if (!found) return { text, origin: null };
    if (out === null) return { text: result + text.slice(done), origin: null };
    out.copy(text, done, text.length);
    return out.finish();
  };
}
