/** What {@link Tokenizer.encode} returns. */
export interface Encoding {
  /** Token ids in reading order, `[n]`. */
  readonly ids: Uint32Array;
  /**
   * `[2 n]`: token `i` covers `text.slice(offsets[2 * i], offsets[2 * i + 1])`, in UTF-16 units.
   * `null` unless `offsets: true` was asked for.
   *
   * A token that holds only some bytes of a character covers the whole character, so neighbours may
   * overlap. Tokens that a template adds cover `0, 0`.
   */
  readonly offsets: Uint32Array | null;
}

/** An {@link Encoding} whose offsets were asked for. */
export interface EncodingWithOffsets extends Encoding {
  readonly offsets: Uint32Array;
}

/** How {@link Tokenizer.encode} reads its text. */
export interface EncodeOptions {
  /** Apply the file's template, such as a first `<s>`. Default `true`, as in the reference. */
  readonly addSpecialTokens?: boolean;
  /**
   * What special tokens written in the text become. `"parse"`, the default and what the reference
   * does: their ids. `"text"`: ordinary text, which is what text from strangers should be.
   */
  readonly special?: "parse" | "text";
  /** Compute {@link Encoding.offsets}. Default `false`: it takes up to half again as long. */
  readonly offsets?: boolean;
}
