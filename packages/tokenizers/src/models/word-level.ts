import { InferenceError } from "@frugal/core";
import type { TokenBuffer } from "../token-buffer.ts";
import type { Model } from "./model.ts";

/**
 * One token for each piece: the piece itself, or else `unknown`.
 *
 * @throws {@link InferenceError} `range` from the encoder where neither is in the vocabulary.
 * @see `WordLevel` in huggingface/tokenizers (3ba8ad0): tokenizers/src/models/wordlevel/mod.rs
 */
export function wordLevel(vocab: ReadonlyMap<string, number>, unknown: string): Model {
  return {
    encode(piece: string, out: TokenBuffer): void {
      const id = vocab.get(piece) ?? vocab.get(unknown);
      if (id === undefined) {
        const wanted = `a token of the vocabulary, which has no "${unknown}" for others`;
        throw new InferenceError("range", `text: expected ${wanted}, got ${JSON.stringify(piece)}`);
      }
      out.push(id, 0, piece.length);
    },
  };
}
