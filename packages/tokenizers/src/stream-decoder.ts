import type { TextStream } from "@frugal/core";

/** What a {@link StreamDecoder} needs to know about tokens. Every `Tokenizer` is one. */
export interface TokenBytes {
  /** The bytes a token stands for. Throws `range` for an id without a token. */
  idToBytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
  /** Opens a stream of ids, for tokens that mean more than their bytes; null or absent for others. */
  openStream?(): TextStream | null;
}

/**
 * Turns ids into text as they arrive, never splitting a character.
 *
 * Where tokens are bytes, each id's go through one UTF-8 decoder that keeps an unfinished character
 * for the next push; elsewhere the steps of the file's decoder keep what the next token may change,
 * such as a run of byte tokens, which is returned when it ends. Hence, for any ids, what all pushes and the final `flush` return, joined, is exactly what
 * `decode` returns. Cost: O(bytes of the token) per push, whatever came before.
 *
 * Differs from `DecodeStream` of the reference, which decodes a growing window again and again and
 * gives up when text it has already returned would change.
 */
export class StreamDecoder implements TextStream {
  readonly #tokens: TokenBytes;
  readonly #skipSpecialTokens: boolean;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #stream: TextStream | null;

  constructor(tokens: TokenBytes, options: { readonly skipSpecialTokens?: boolean } = {}) {
    this.#tokens = tokens;
    this.#skipSpecialTokens = options.skipSpecialTokens ?? false;
    this.#stream = tokens.openStream?.() ?? null;
  }

  /**
   * Text completed by this id; empty while a character is unfinished. Bytes that can no longer
   * become a character come out as U+FFFD.
   *
   * @throws {@link InferenceError} `range` if no token has this id; the stream is unchanged.
   */
  push(id: number): string {
    const isSkipped = this.#skipSpecialTokens && this.#tokens.isSpecial(id);
    if (this.#stream !== null) return isSkipped ? "" : this.#stream.push(id);
    const bytes = this.#tokens.idToBytes(id);
    if (isSkipped) return "";
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** U+FFFD if a character is unfinished, else nothing. The stream is then as new. */
  flush(): string {
    return this.#stream === null ? this.#decoder.decode() : this.#stream.flush();
  }
}
