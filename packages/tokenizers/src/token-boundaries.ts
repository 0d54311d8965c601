import type { EncodeOptions } from "./encoding.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The tokens of a text without a template, and the places between them. */
export class TokenBoundaries {
  /** Number of tokens. */
  readonly count: number;
  readonly #text: string;
  /** Where each token begins; 1 in `#clean` where the text can be cut there. */
  readonly #starts: Uint32Array;
  readonly #clean: Uint8Array;
  readonly #tokenizer: Tokenizer;
  readonly #options: EncodeOptions;

  /** Encodes `text`. O(text). */
  constructor(tokenizer: Tokenizer, text: string, special: "parse" | "text") {
    this.#tokenizer = tokenizer;
    this.#text = text;
    this.#options = { special, addSpecialTokens: false, truncation: false, padding: false };
    const { ids, offsets } = tokenizer.encode(text, { ...this.#options, offsets: true });
    this.count = ids.length;
    this.#starts = new Uint32Array(ids.length);
    this.#clean = new Uint8Array(ids.length);
    let place = -1;
    let end = 0;
    for (let i = 0; i < ids.length; i++) {
      const start = i === 0 ? 0 : offsets[2 * i]!;
      this.#starts[i] = start;
      if (start >= end && start > place && start < text.length) {
        this.#clean[i] = 1;
        place = start;
      }
      end = Math.max(end, offsets[2 * i + 1]!);
    }
  }

  /**
   * Whether the text can be cut before a token: not where it shares a character with one before it,
   * nor where it covers nothing, as a space that was put in front or trimmed off the end. The places
   * of two clean tokens differ.
   */
  isClean(token: number): boolean {
    return token >= this.count || this.#clean[token] === 1;
  }

  /** Where a token begins, what the tokenizer dropped before the first one included. */
  startOf(token: number): number {
    return token >= this.count ? this.#text.length : this.#starts[token]!;
  }

  /** Tokens that the text between two places is encoded to on its own. O(their distance). */
  countBetween(start: number, end: number): number {
    return this.#tokenizer.encode(this.#text.slice(start, end), this.#options).ids.length;
  }

  /**
   * The last clean token up to `token` and above `first` such that the text from `first` up to it is
   * at most `size` tokens on its own; -1 if there is none.
   */
  lastFitting(first: number, token: number, size: number): number {
    const start = this.startOf(first);
    for (let end = Math.min(token, this.count); end > first; end--) {
      if (!this.isClean(end)) continue;
      if (this.countBetween(start, this.startOf(end)) <= size) return end;
    }
    return -1;
  }
}
