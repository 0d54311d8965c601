import { InferenceError } from "@frugal/core";
import { WordScanner, type WordRules } from "./word-scanner.ts";

/** Receives one match: `text.slice(start, end)`. */
export type MatchVisitor = (start: number, end: number) => void;

/**
 * Finds all matches of a pattern.
 *
 * An empty match right where the last one ended does not count; the search then goes on one
 * character later, as in the reference.
 */
export class PatternMatcher {
  /** Matches at `lastIndex` only, and moves it without allocating: most matches touch the last. */
  readonly #here: RegExp;
  readonly #ahead: RegExp;
  readonly #rules: WordRules | null;
  /** Finds the same as the pattern; made on first use, because of its table. */
  #scanner: WordScanner | null = null;

  /**
   * `pattern` is JavaScript's, for a flag that reads code points. Rules, if given, must find the
   * same; they are faster. `ahead` is the pattern for matches that do not begin where the last one
   * ended, if it can tell.
   */
  constructor(
    pattern: string,
    flag: "u" | "v",
    rules: WordRules | null = null,
    ahead: string = pattern,
  ) {
    this.#rules = rules;
    this.#here = new RegExp(pattern, `${flag}y`);
    this.#ahead = new RegExp(ahead, `${flag}g`);
  }

  /**
   * Visits the matches in `text` from left to right.
   *
   * @throws {@link InferenceError} `range` if the engine runs out of room to backtrack, which takes
   *   a single match of many millions of characters.
   */
  each(text: string, visit: MatchVisitor): void {
    if (this.#rules !== null) {
      this.#scanner ??= new WordScanner(this.#rules);
      for (let at = 0; at < text.length;) {
        const end = this.#scanner.endOf(text, at);
        visit(at, end);
        at = end;
      }
      return;
    }
    let from = 0;
    let lastEnd = -1;
    while (from <= text.length) {
      const start = this.#search(text, from);
      if (start < 0) return;
      const end = this.#here.lastIndex;
      if (start === end && end === lastEnd) {
        from = nextCharacter(text, end);
        continue;
      }
      visit(start, end);
      lastEnd = end;
      from = end;
    }
  }

  /** Start of the next match, or -1; its end is left in `#here.lastIndex`. */
  #search(text: string, from: number): number {
    try {
      this.#here.lastIndex = from;
      if (this.#here.test(text)) return from;
      this.#ahead.lastIndex = nextCharacter(text, from);
      let match = this.#ahead.exec(text);
      // An engine may find an empty match between the halves of a pair, where no character begins.
      while (match !== null && isInsidePair(text, match.index)) {
        this.#ahead.lastIndex = match.index + 1;
        match = this.#ahead.exec(text);
      }
      if (match === null) return -1;
      this.#here.lastIndex = this.#ahead.lastIndex;
      return match.index;
    } catch (cause) {
      const length = text.length;
      const message = `text: too long to split in one match, ${length} units with no cut before it`;
      throw new InferenceError("range", message, { cause });
    }
  }
}

function nextCharacter(text: string, at: number): number {
  return at < text.length && text.codePointAt(at)! >= 0x10000 ? at + 2 : at + 1;
}

function isInsidePair(text: string, at: number): boolean {
  const isLow = (text.charCodeAt(at) & 0xfc00) === 0xdc00;
  return isLow && at > 0 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
}
