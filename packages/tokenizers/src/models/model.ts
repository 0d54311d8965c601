import type { TokenBuffer } from "../token-buffer.ts";

/** Turns one piece of text, as a pre-tokenizer cut it, into ids. */
export interface Model {
  /**
   * Appends the tokens of `piece`, which is not empty, to `out`: each with the range in `piece` that
   * it stands for, in UTF-16 units. Ranges may be left out where `out.offsets` is null.
   *
   * `random` draws from [0, 1) where the model leaves something to chance; without it nothing is.
   */
  encode(piece: string, out: TokenBuffer, random?: () => number): void;
}
