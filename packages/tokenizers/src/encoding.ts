import type { Padding } from "./padding.ts";
import type { Truncation } from "./truncation.ts";

/** What `Tokenizer.encode` returns. */
export interface Encoding {
  /** Token ids in reading order, `[n]`. */
  readonly ids: Uint32Array;
  /**
   * `[2 n]`: token `i` covers `text.slice(offsets[2 * i], offsets[2 * i + 1])`, in UTF-16 units.
   * `null` unless `offsets: true` was asked for.
   *
   * A token that holds only some bytes of a character covers the whole character, so neighbours may
   * overlap. Tokens that a template adds cover `0, 0`. Of pre-tokenized text, ranges are in the word.
   */
  readonly offsets: Uint32Array | null;

  // What follows is worked out when it is first asked for, which takes another pass over the text;
  // until then the encoding keeps the text. Do not write to what is returned.

  /** Tokens as the file spells them, `[n]`. */
  readonly tokens: readonly string[];
  /** Number of the piece that each token was cut from, `[n]`; -1 for added ones. */
  readonly wordIds: Int32Array;
  /** What a template marks the parts of a pair with, `[n]`. */
  readonly typeIds: Uint32Array;
  /** Which of two texts each token comes from, 0 or 1, `[n]`; -1 for added ones. */
  readonly sequenceIds: Int8Array;
  /** 1 where a template or padding put the token, `[n]`. */
  readonly specialTokensMask: Uint8Array;
  /** 0 where padding put the token, `[n]`. */
  readonly attentionMask: Uint8Array;
  /** The chunks that truncation cut off, as whole encodings, in the order of the reference. */
  readonly overflowing: readonly Encoding[];
  /** The token that covers a UTF-16 unit of a text; null if none does. */
  charToToken(position: number, sequence?: 0 | 1): number | null;
  /** The range of a token; null for one that a template or padding put. */
  tokenToChars(token: number): readonly [start: number, end: number] | null;
}

/** An {@link Encoding} whose offsets were asked for. */
export interface EncodingWithOffsets extends Encoding {
  readonly offsets: Uint32Array;
}

/** How `Tokenizer.encode` reads its text. */
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
  /** A second text, put behind the first one by the file's template. */
  readonly pair?: string | readonly string[];
  /** Replaces the file's truncation; `false` for none. */
  readonly truncation?: Truncation | false;
  /** Replaces the file's padding; `false` for none. */
  readonly padding?: Padding | false;
  /** Draws from [0, 1) for a model with dropout. Without it nothing is dropped. */
  readonly random?: () => number;
}
