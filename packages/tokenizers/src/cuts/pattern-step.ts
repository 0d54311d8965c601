import type { PatternMatcher } from "../pre-tokenizers/pattern-matcher.ts";
import type { PatternReach } from "./pattern-reach.ts";

/** What a step of pre-tokenization sees around a place in the text. */
export interface CutStep {
  /**
   * Whether the step may decide differently on either side of the place between two characters for
   * what stands on the other side.
   */
  readsAcross(left: string, right: string): boolean;
  /**
   * Where the part of `text` begins that the step leaves in one piece with what follows it, given
   * that it does not read across its end; `text.length` if it cuts there.
   */
  openEnd(text: string): number;
}

/** A step that cuts at the end of each match. With `prefix` it puts a space before its text. */
export function patternStep(
  matcher: PatternMatcher,
  reach: PatternReach,
  prefix: boolean,
): CutStep {
  return {
    // A text that begins with a space gets none.
    readsAcross: (left, right) => (prefix && right !== " ") || reach.reads(left, right),
    openEnd: (text) => {
      const prefixed = prefix && !text.startsWith(" ");
      let last = 0;
      matcher.each(prefixed ? ` ${text}` : text, (_, end) => (last = end));
      return prefixed ? Math.max(0, last - 1) : last;
    },
  };
}

/** A step that cuts before each space, and puts one before a text that has none. */
export function spaceStep(replacement: string): CutStep {
  const isSpace = (character: string): boolean => character === " " || character === replacement;
  return {
    readsAcross: (left, right) => isSpace(left) || !isSpace(right),
    openEnd: (text) => text.length,
  };
}
