import { codePointBefore, isWhiteSpace, isWordCharacter } from "./character-classes.ts";
import { LiteralEdges } from "./cuts/literal-edges.ts";
import { LiteralMatcher } from "./literal-matcher.ts";

/** A token that is cut out of the text before the model sees it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Matches only where no word character touches it. */
  readonly singleWord: boolean;
  /** Takes the white space to its left along. */
  readonly lstrip: boolean;
  /** Takes the white space to its right along. */
  readonly rstrip: boolean;
  /** Is looked for in normalized text, in its own normalized form. */
  readonly normalized: boolean;
  readonly special: boolean;
}

/** Receives text and tokens in order; `id` is -1 for text between tokens. Never an empty range. */
export type SegmentSink = (id: number, start: number, end: number) => void;

/**
 * The added tokens of one kind, raw or normalized, ready to be found.
 *
 * Rules of the reference: leftmost, then longest match; a match that `singleWord` or `parseSpecial`
 * refuses is skipped whole, not retried shorter; stripped white space belongs to the token.
 *
 * @see `find_matches` in huggingface/tokenizers (3ba8ad0): tokenizers/src/tokenizer/added_vocabulary.rs
 */
export class AddedTokens {
  readonly #tokens: readonly AddedToken[];
  readonly #patterns: readonly string[];
  readonly #matcher: LiteralMatcher;
  /** Made on first use: only cutting asks. */
  #edges: LiteralEdges | null = null;

  /** `patterns[i]` is the text to look for in place of `tokens[i].content`. */
  constructor(tokens: readonly AddedToken[], patterns: readonly string[]) {
    this.#tokens = tokens;
    this.#patterns = patterns;
    this.#matcher = new LiteralMatcher(patterns);
  }

  get isEmpty(): boolean {
    return this.#matcher.isEmpty;
  }

  /** Whether the tokens can look from one character to the next: see {@link LiteralEdges}. */
  readsAcross(left: string, right: string): boolean {
    this.#edges ??= new LiteralEdges(this.#tokens, this.#patterns);
    return this.#edges.readsAcross(left, right);
  }

  /**
   * Cuts `text` at the tokens in it. With `parseSpecial` false, special ones are left as text.
   * O(length).
   */
  split(text: string, parseSpecial: boolean, sink: SegmentSink): void {
    if (text.length === 0) return;
    if (this.#matcher.isEmpty) return sink(-1, 0, text.length);

    let done = 0;
    let spaceEnd = 0;
    for (const hit of this.#matcher.find(text)) {
      const token = this.#tokens[hit.literal]!;
      if (token.special && !parseSpecial) continue;
      let start = hit.start;
      let end = start + this.#patterns[hit.literal]!.length;
      if (token.singleWord && touchesWord(text, start, end)) continue;
      if (token.lstrip) {
        while (start > done && isWhiteSpace(text.charCodeAt(start - 1))) start--;
      }
      if (token.rstrip) {
        // A token made of spaces matches again inside what the last one took; the run it lies in
        // is known to end at `spaceEnd`, and scanning it again each time would be quadratic.
        if (end < spaceEnd) end = spaceEnd;
        while (end < text.length && isWhiteSpace(text.charCodeAt(end))) end++;
        spaceEnd = end;
      }
      if (done < start) sink(-1, done, start);
      sink(token.id, start, end);
      done = end;
    }
    if (done < text.length) sink(-1, done, text.length);
  }
}

/** Whether the character before `start` or the one at `end` continues a word. */
function touchesWord(text: string, start: number, end: number): boolean {
  if (start > 0 && isWordCharacter(codePointBefore(text, start))) return true;
  return end < text.length && isWordCharacter(text.codePointAt(end)!);
}
