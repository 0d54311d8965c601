import { isWhiteSpace } from "../character-classes.ts";
import type { PostProcessor } from "./post-processor.ts";

/** The stand-in for a space. */
const SPACE = 0x120;

/**
 * Takes the spaces at a token's ends out of its range; the ids stay. With `prefix`, a single space
 * at the start of the text may be one that was put there, and is left alone. O(tokens' length).
 *
 * @see `process_offsets` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/pre_tokenizers/byte_level.rs
 */
export function byteLevelPostProcessor(prefix: boolean): PostProcessor {
  return (tokens, { text, vocabulary }) => {
    const offsets = tokens.offsets;
    if (offsets === null) return tokens;
    for (let i = 0; i < tokens.length; i++) {
      const start = offsets[2 * i]!;
      const end = offsets[2 * i + 1]!;
      const id = tokens.ids[i]!;
      // An added token may have taken white space along, which its string does not show.
      const token = vocabulary.isAdded(id) ? text.slice(start, end) : vocabulary.tokenOf(id)!;
      let leading = 0;
      while (leading < token.length && isSpace(token, leading)) leading++;
      let trailing = 0;
      while (trailing < token.length && isSpace(token, token.length - 1 - trailing)) trailing++;
      if (prefix && leading === 1 && (i === 0 || start === 0)) leading = 0;
      const trimmed = Math.min(start + leading, end);
      offsets[2 * i] = trimmed;
      if (trailing > 0 && end >= trailing) offsets[2 * i + 1] = Math.max(end - trailing, trimmed);
    }
    return tokens;
  };
}

function isSpace(token: string, at: number): boolean {
  const unit = token.charCodeAt(at);
  return unit === SPACE || isWhiteSpace(unit);
}
