import { rangesToClass } from "../character-ranges.ts";
import { BERT_CONTROLS, BERT_MARKS, COMBINING_MARKS } from "../character-tables.ts";
import { OriginBuilder } from "../origin-builder.ts";
import { characterMap, lowercaseNormalizer } from "./character-map.ts";
import type { Normalizer } from "./normalizer.ts";
import { normalizerSequence } from "./sequence.ts";
import { unicodeNormalizer } from "./unicode.ts";

/** What a {@link bertNormalizer} does, in this order. */
export interface BertNormalizerOptions {
  /** Drop controls and turn white space into spaces. */
  readonly cleanText: boolean;
  /** Put a space on both sides of each ideograph. */
  readonly spaceIdeographs: boolean;
  readonly stripAccents: boolean;
  readonly lowercase: boolean;
}

// The reference starts one block at 2B920, where the script it was taken from has 2B820.
const IDEOGRAPHS =
  "\\u{4e00}-\\u{9fff}\\u{3400}-\\u{4dbf}\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b73f}" +
  "\\u{2b740}-\\u{2b81f}\\u{2b920}-\\u{2ceaf}\\u{f900}-\\u{faff}\\u{2f800}-\\u{2fa1f}";

/**
 * What BERT does to text before cutting it.
 *
 * @see `BertNormalizer` in huggingface/tokenizers (3ba8ad0): tokenizers/src/normalizers/bert.rs
 */
export function bertNormalizer(options: BertNormalizerOptions): Normalizer {
  const steps: Normalizer[] = [];
  if (options.cleanText) {
    steps.push(dropCharacters(rangesToClass(BERT_CONTROLS)));
    steps.push(characterMap(/\p{White_Space}/gu, () => " "));
  }
  if (options.spaceIdeographs) {
    steps.push(characterMap(new RegExp(`[${IDEOGRAPHS}]`, "gu"), (character) => ` ${character} `));
  }
  if (options.stripAccents) {
    steps.push(unicodeNormalizer("NFD"), dropCharacters(rangesToClass(BERT_MARKS)));
  }
  if (options.lowercase) steps.push(lowercaseNormalizer());
  return normalizerSequence(steps);
}

/**
 * Drops combining marks; accents that are part of a character stay.
 *
 * @see `StripAccents` in huggingface/tokenizers (3ba8ad0): tokenizers/src/normalizers/strip.rs
 */
export function stripAccentsNormalizer(): Normalizer {
  return dropCharacters(rangesToClass(COMBINING_MARKS));
}

/** Drops the characters of a class. O(length). */
function dropCharacters(inside: string): Normalizer {
  const dropped = new RegExp(`[${inside}]+`, "gu");
  return (text, withOrigin) => {
    const result = text.replace(dropped, "");
    if (!withOrigin || result.length === text.length) return { text: result, origin: null };
    const out = new OriginBuilder(result.length);
    let done = 0;
    for (const match of text.matchAll(dropped)) {
      out.copy(text, done, match.index);
      done = match.index + match[0].length;
    }
    out.copy(text, done, text.length);
    return out.finish();
  };
}
