import type { TextStream } from "@frugal/core";

/**
 * What drafting across vocabularies asks of a tokenizer. Every `Tokenizer` of `@frugal/tokenizers`
 * is one; others need these members only.
 */
export interface DraftTokenizer {
  /** Highest id plus one. Its model may have more rows of logits than this, never fewer. */
  readonly vocabSize: number;
  /** A token as it is spelled in the vocabulary; undefined if no token has this id. */
  idToToken(id: number): string | undefined;
  /** The bytes a token stands for; they need not be whole characters. */
  idToBytes(id: number): Uint8Array;
  /** Whether a token stands for no text, as one that ends it. */
  isSpecial(id: number): boolean;
  /**
   * The ids of a text, and which of its UTF-16 units each covers: `offsets[2 i]` to
   * `offsets[2 i + 1]`.
   */
  encode(
    text: string,
    options: { readonly addSpecialTokens: false; readonly offsets: true },
  ): { readonly ids: Uint32Array; readonly offsets: Uint32Array };
  /** Turns ids into text as they arrive. */
  createStream(): TextStream;
}

/** The tokenizers of a draft model and of the model it drafts for. */
export interface DraftTokenizers {
  readonly draft: DraftTokenizer;
  readonly target: DraftTokenizer;
}

/** A text as ids, without what a template would put around it. */
export function encodePlain(
  tokenizer: DraftTokenizer,
  text: string,
): { readonly ids: Uint32Array; readonly offsets: Uint32Array } {
  return tokenizer.encode(text, { addSpecialTokens: false, offsets: true });
}
