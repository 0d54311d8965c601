import { OriginBuilder } from "../origin-builder.ts";
import type { Normalizer } from "./normalizer.ts";

/**
 * Rewrites each character on its own: to itself, another text, or nothing. What a character becomes
 * has its range. `touched` must match every character that `map` changes. O(length).
 */
export function characterMap(touched: RegExp, map: (character: string) => string): Normalizer {
  return (text, withOrigin) => {
    const result = text.replace(touched, map);
    if (!withOrigin || result === text) return { text: result, origin: null };
    const out = new OriginBuilder(result.length);
    let done = 0;
    for (const match of text.matchAll(touched)) {
      const end = match.index + match[0].length;
      out.copy(text, done, match.index);
      out.put(map(match[0]), match.index, end);
      done = end;
    }
    out.copy(text, done, text.length);
    return out.finish();
  };
}

/**
 * Lower case, each character without its neighbours: a final sigma stays an inner one.
 *
 * @see `NormalizedString::lowercase` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/tokenizer/normalizer.rs
 */
export function lowercaseNormalizer(): Normalizer {
  return characterMap(/[A-Z]|[^\0-\x7f]/gu, (character) => character.toLowerCase());
}

/**
 * Drops controls and turns other spaces and marks into spaces, as the scripts for machine
 * translation did.
 *
 * @see `Nmt` in huggingface/tokenizers (3ba8ad0): tokenizers/src/normalizers/unicode.rs
 */
export function nmtNormalizer(): Normalizer {
  const dropped = "\\x01-\\x08\\x0b\\x0e-\\x1f\\x7f\\x8f\\x9f";
  const spaced = "\\t\\n\\f\\r\\u1680\\u200b-\\u200f\\u2028\\u2029\\u2581\\ufeff\\ufffd";
  const isDropped = new RegExp(`[${dropped}]`, "u");
  return characterMap(new RegExp(`[${dropped}${spaced}]`, "gu"), (character) =>
    isDropped.test(character) ? "" : " ",
  );
}
