import type { EncodeOptions } from "./encoding.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The tokens of a text without a template, and the places between them. */
export class TokenBoundaries {
  /** Number of tokens. */
  readonly count: number;
  readonly #text: string;
  readonly #offsets: Uint32Array;
  /** Where the text of all tokens before each one ends. */
  readonly #ends: Uint32Array;
  readonly #tokenizer: Tokenizer;
  readonly #options: EncodeOptions;

  /** Encodes `text`. O(text). */
  constructor(tokenizer: Tokenizer, text: string, special: "parse" | "text") {
    this.#tokenizer = tokenizer;
    this.#text = text;
    this.#options = { special, addSpecialTokens: false };
    const { ids, offsets } = tokenizer.encode(text, { ...this.#options, offsets: true });
    this.count = ids.length;
    this.#offsets = offsets;
    this.#ends = new Uint32Array(ids.length + 1);
    for (let i = 0; i < ids.length; i++) {
      this.#ends[i + 1] = Math.max(this.#ends[i]!, offsets[2 * i + 1]!);
    }
  }

  /** Whether the text can be cut before a token: not where it shares a character with the last. */
  isClean(token: number): boolean {
    return token >= this.count || this.#offsets[2 * token]! >= this.#ends[token]!;
  }

  /** Where a token begins, what the tokenizer dropped before the first one included. */
  startOf(token: number): number {
    if (token === 0) return 0;
    return token >= this.count ? this.#text.length : this.#offsets[2 * token]!;
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
