import { codePointBefore, isWhiteSpace } from "../character-classes.ts";
import type { FramePiece, OffsetTrim, PostProcessorStep } from "./post-processor.ts";

/** The stand-in for a space. */
const SPACE = 0x120;

/**
 * Takes the spaces at a token's ends out of its range; the ids stay. With `prefix`, a single space
 * at the start of the text may be one that was put there, and is left alone. O(tokens' length).
 *
 * @see `process_offsets` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/pre_tokenizers/byte_level.rs
 */
export function trimStep(prefix: boolean): PostProcessorStep {
  const trimPiece = (piece: FramePiece, at: number): FramePiece =>
    "ids" in piece ? piece : { ...piece, trims: [...piece.trims, byteLevelTrim(prefix, at === 0)] };
  return { added: [0, 0], apply: (frames) => frames.map((frame) => frame.map(trimPiece)) };
}

/** `isFirst`: whether nothing was put in front of the text before. */
function byteLevelTrim(prefix: boolean, isFirst: boolean): OffsetTrim {
  return ({ ids, offsets }, { textOf, vocabulary }) => {
    for (let i = 0; i < ids.length; i++) {
      const text = textOf(i);
      const start = offsets[2 * i]!;
      const end = offsets[2 * i + 1]!;
      const id = ids[i]!;
      // An added token may have taken white space along, which its string does not show.
      const token = vocabulary.isAdded(id) ? text.slice(start, end) : vocabulary.tokenOf(id)!;
      let leading = 0;
      while (leading < token.length && isSpace(token, leading)) leading++;
      let trailing = 0;
      while (trailing < token.length && isSpace(token, token.length - 1 - trailing)) trailing++;
      if (prefix && leading === 1 && ((isFirst && i === 0) || start === 0)) leading = 0;
      const trimmed = forward(text, start, end, leading);
      offsets[2 * i] = trimmed;
      offsets[2 * i + 1] = backward(text, trimmed, end, trailing);
    }
  };
}

// A space that was put in has the range of the character after it, whatever that is; the reference
// counts characters, so a step must take a surrogate pair whole.

function forward(text: string, start: number, end: number, characters: number): number {
  let at = start;
  for (let i = 0; i < characters && at < end; i++) at += text.codePointAt(at)! >= 0x10000 ? 2 : 1;
  return at;
}

/** As far back as `start`; not at all if the text has fewer characters before `end`. */
function backward(text: string, start: number, end: number, characters: number): number {
  let at = end;
  for (let i = 0; i < characters; i++) {
    if (at === 0) return end;
    at -= codePointBefore(text, at) >= 0x10000 ? 2 : 1;
  }
  return Math.max(at, start);
}

function isSpace(token: string, at: number): boolean {
  const unit = token.charCodeAt(at);
  return unit === SPACE || isWhiteSpace(unit);
}
