import type { TokenBuffer } from "./token-buffer.ts";

/** The tokens of one text, or some of them, with all that is known of each. */
export interface TokenColumns {
  readonly ids: Uint32Array;
  /** `[2 n]`. */
  readonly offsets: Uint32Array;
  /** Number of the word each token belongs to. */
  readonly words: Int32Array;
}

/** A copy of what a buffer holds. Unchecked: the buffer keeps ranges and words. */
export function columnsOf(buffer: TokenBuffer): TokenColumns {
  return {
    ids: buffer.ids.slice(0, buffer.length),
    offsets: buffer.offsets!.slice(0, 2 * buffer.length),
    words: buffer.words!.slice(0, buffer.length),
  };
}

/** A copy of the tokens from `start` up to `end`. */
export function sliceColumns(columns: TokenColumns, start: number, end: number): TokenColumns {
  return {
    ids: columns.ids.slice(start, end),
    offsets: columns.offsets.slice(2 * start, 2 * end),
    words: columns.words.slice(start, end),
  };
}
