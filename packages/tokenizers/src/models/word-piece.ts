import { InferenceError } from "@frugal/core";
import type { TokenBuffer } from "../token-buffer.ts";
import type { Model } from "./model.ts";

/** What a {@link WordPiece} is built from. */
export interface WordPieceInit {
  /** Tokens and ids. Kept, not copied. */
  readonly vocab: ReadonlyMap<string, number>;
  readonly unknown: string;
  /** Put before every token of a word but the first. */
  readonly prefix: string;
  /** A word of more code points is unknown. */
  readonly longestWord: number;
}

/**
 * Cuts a word into the longest tokens from its start; a word that cannot be cut is unknown as a
 * whole. O(n²) for a word of n characters, at most `longestWord`.
 *
 * @see `WordPiece` in huggingface/tokenizers (3ba8ad0): tokenizers/src/models/wordpiece/mod.rs
 */
export class WordPiece implements Model {
  readonly #init: WordPieceInit;
  /** No token is longer, in UTF-16 units, so that no longer one need be looked up. */
  readonly #longestToken: number;

  constructor(init: WordPieceInit) {
    this.#init = init;
    let longest = 0;
    for (const token of init.vocab.keys()) longest = Math.max(longest, token.length);
    this.#longestToken = longest;
  }

  encode(piece: string, out: TokenBuffer): void {
    const first = out.length;
    if (isLonger(piece, this.#init.longestWord) || !this.#cut(piece, out)) {
      out.length = first;
      out.push(this.#unknownId(), 0, piece.length);
    }
  }

  #cut(piece: string, out: TokenBuffer): boolean {
    const { vocab, prefix } = this.#init;
    for (let start = 0; start < piece.length;) {
      let end = Math.min(piece.length, start + this.#longestToken);
      let id: number | undefined;
      for (; end > start; end--) {
        const part = piece.slice(start, end);
        id = vocab.get(start === 0 ? part : prefix + part);
        if (id !== undefined) break;
      }
      if (id === undefined) return false;
      out.push(id, start, end);
      start = end;
    }
    return true;
  }

  #unknownId(): number {
    const { vocab, unknown } = this.#init;
    const id = vocab.get(unknown);
    if (id !== undefined) return id;
    throw new InferenceError(
      "range",
      `model: expected a token for unknown words, got none named "${unknown}"`,
    );
  }
}

/** Whether a text has more than `limit` code points. */
function isLonger(text: string, limit: number): boolean {
  if (text.length <= limit) return false;
  let count = 0;
  for (const _ of text) if (++count > limit) return true;
  return false;
}
