import { isWhiteSpace } from "../character-classes.ts";
import { OriginBuilder } from "../origin-builder.ts";
import type { Normalizer } from "./normalizer.ts";

/**
 * Takes white space off the ends.
 *
 * @see `Strip` in huggingface/tokenizers (3ba8ad0): tokenizers/src/normalizers/strip.rs
 */
export function stripNormalizer(left: boolean, right: boolean): Normalizer {
  return (text, withOrigin) => {
    let start = 0;
    let end = text.length;
    if (left) while (start < end && isWhiteSpace(text.charCodeAt(start))) start++;
    if (right) while (end > start && isWhiteSpace(text.charCodeAt(end - 1))) end--;
    if (start === 0 && end === text.length) return { text, origin: null };
    if (!withOrigin) return { text: text.slice(start, end), origin: null };
    const out = new OriginBuilder(end - start);
    out.copy(text, start, end);
    return out.finish();
  };
}

/**
 * Puts a fixed text in front of any that is not empty; it has the range of the first character.
 *
 * @see `Prepend` in huggingface/tokenizers (3ba8ad0): tokenizers/src/normalizers/prepend.rs
 */
export function prependNormalizer(prefix: string): Normalizer {
  return (text, withOrigin) => {
    if (text === "" || prefix === "") return { text, origin: null };
    if (!withOrigin) return { text: prefix + text, origin: null };
    const out = new OriginBuilder(prefix.length + text.length);
    out.put(prefix, 0, text.codePointAt(0)! >= 0x10000 ? 2 : 1);
    out.copy(text, 0, text.length);
    return out.finish();
  };
}
