import type { TextStream } from "@frugal/core";
import type { CutRule } from "./cuts/cut-rule.ts";
import type { EncodeOptions, Encoding, EncodingWithOffsets } from "./encoding.ts";
import type { StreamDecoder } from "./stream-decoder.ts";

/** How {@link Tokenizer.decode} writes its text. */
export interface DecodeOptions {
  /** Leave special tokens out. Default `false`. */
  readonly skipSpecialTokens?: boolean;
}

/** Text to ids and back. Made by `createTokenizer`; holds no text it has seen but short pieces. */
export interface Tokenizer {
  /** Highest id plus one. A model may have more rows of logits than this, never fewer. */
  readonly vocabSize: number;
  /** Tokens that the configuration names, and their ids; `null` where it names none. */
  readonly eosToken: string | null;
  readonly eosId: number | null;
  readonly bosId: number | null;
  readonly padId: number | null;
  /** The chat template of the configuration, uninterpreted; `null` without one. */
  readonly chatTemplate: string | null;
  /**
   * Longest input, in tokens, that the configuration says the model was made for; `null` where it
   * says none. `encode` does not cut to it: only the truncation of the file or of the options does.
   */
  readonly modelMaxLength: number | null;
  /** Where a text may be cut and encoded in parts; `null` where that is not known. */
  readonly cuts: CutRule | null;

  /**
   * Ids of a text, and on request where each comes from. A lone surrogate counts as U+FFFD. A text
   * that comes as an array of words is encoded word by word; ranges are then in the word.
   *
   * Truncation and padding are the file's, unless the options have others.
   *
   * Cost: O(length), times the logarithm of the longest piece that the file's pattern does not cut.
   *
   * @throws {@link InferenceError} `range` if one match of the pattern is too long for the engine:
   *   many millions of characters.
   */
  encode(
    text: string | readonly string[],
    options: EncodeOptions & { readonly offsets: true },
  ): EncodingWithOffsets;
  encode(text: string | readonly string[], options?: EncodeOptions): Encoding;

  /**
   * Text of ids. Bytes that form no character come out as U+FFFD, one for each maximal part, as in
   * the Encoding standard. O(bytes).
   *
   * @throws {@link InferenceError} `range` if no token has one of the ids.
   */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;

  /** A new stream that returns, piece by piece, what `decode` would return at once. */
  createStream(options?: DecodeOptions): StreamDecoder;

  /** Id of a token as the file spells it, stand-ins and all; `undefined` if there is none. */
  tokenToId(token: string): number | undefined;
  /** Token as the file spells it; `undefined` if no token has this id. */
  idToToken(id: number): string | undefined;
  /**
   * The bytes a token stands for, in an array of the caller's own. They need not be whole
   * characters.
   *
   * @throws {@link InferenceError} `range` if no token has this id.
   */
  idToBytes(id: number): Uint8Array;
  /** Whether a token is marked as special: one that `skipSpecialTokens` leaves out. */
  isSpecial(id: number): boolean;
  /** For {@link StreamDecoder}: a stream of its own kind, or null if joining bytes will do. */
  openStream(): TextStream | null;
  /**
   * The `tokenizer.json` of this tokenizer, as an object of its own. It encodes and decodes alike; a
   * merge that was overridden by a later one and ids that did not count are not in it.
   *
   * @throws {@link InferenceError} `unsupported` if it was read from another format that has something
   *   this one cannot express.
   */
  toJson(): object;
}

/** What the configuration beside a tokenizer file says. */
export interface TokenizerConfig {
  readonly eosToken: string | null;
  readonly bosToken: string | null;
  readonly padToken: string | null;
  readonly chatTemplate: string | null;
  readonly modelMaxLength?: number | null;
}
