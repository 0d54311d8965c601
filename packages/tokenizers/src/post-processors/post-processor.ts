import type { Vocabulary } from "../vocabulary.ts";
import type { TokenColumns } from "../token-columns.ts";

/** A part of a template: one of the two texts, or fixed tokens around them. */
export type TemplatePiece =
  | { readonly sequence: 0 | 1; readonly typeId: number }
  | { readonly ids: readonly number[]; readonly typeId: number };

/** What a post-processor may look at. */
export interface TrimContext {
  /** The text that was encoded, well-formed; of pre-tokenized text, the word of a token. */
  readonly textOf: (token: number) => string;
  readonly vocabulary: Vocabulary;
}

/** Corrects the ranges of one text's tokens in place. */
export type OffsetTrim = (tokens: TokenColumns, context: TrimContext) => void;

/** What happens after the model: ranges are trimmed, then the template is filled in. */
export interface PostProcessor {
  readonly trims: readonly OffsetTrim[];
  /** Template for one text. */
  readonly single: readonly TemplatePiece[];
  /** Template for two texts. */
  readonly pair: readonly TemplatePiece[];
  /**
   * Type of the tokens that did not fit, if special tokens are put around them: that of their text's
   * place, as in the reference, or null for its number, 0 or 1.
   */
  readonly overflowTypeId: number | null;
}

/** The post-processor of a file without one. */
export const plainPostProcessor: PostProcessor = {
  trims: [],
  single: [{ sequence: 0, typeId: 0 }],
  pair: [
    { sequence: 0, typeId: 0 },
    { sequence: 1, typeId: 1 },
  ],
  overflowTypeId: null,
};

/** How many tokens a template adds. */
export function countAdded(template: readonly TemplatePiece[]): number {
  return template.reduce((sum, piece) => sum + ("ids" in piece ? piece.ids.length : 0), 0);
}
