import type { PreTokenizer } from "./pre-tokenizer.ts";

/**
 * Cuts after every `length` characters. O(length of the text).
 *
 * @see `FixedLength` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/pre_tokenizers/fixed_length.rs
 */
export function fixedLengthPreTokenizer(length: number): PreTokenizer {
  return (text, start, sink) => {
    let from = 0;
    let count = 0;
    for (let i = 0; i < text.length;) {
      i += text.codePointAt(i)! >= 0x10000 ? 2 : 1;
      if (++count < length && i < text.length) continue;
      sink(text.slice(from, i), start + from, false);
      from = i;
      count = 0;
    }
  };
}
