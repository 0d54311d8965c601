import type { TokenBuffer } from "../token-buffer.ts";

/** Turns one piece of text, as a pre-tokenizer cut it, into ids. */
export interface Model {
  /** Appends the ids of `piece` to `out`, without ranges. */
  encode(piece: string, out: TokenBuffer): void;
}
