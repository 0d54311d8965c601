import type { TokenColumns } from "../token-columns.ts";
import type { Vocabulary } from "../vocabulary.ts";

/** What a trim may look at. */
export interface TrimContext {
  /** The text that was encoded, well-formed; of pre-tokenized text, the word of a token. */
  readonly textOf: (token: number) => string;
  readonly vocabulary: Vocabulary;
}

/** Corrects the ranges of one text's tokens in place. */
export type OffsetTrim = (tokens: TokenColumns, context: TrimContext) => void;

/** A run of tokens in what a post-processor makes: those of a text, or fixed ones. */
export type FramePiece = {
  readonly typeId: number;
  /** Type of the tokens in the chunks that truncation cut off. */
  readonly overflowTypeId: number;
} & (
  | { readonly sequence: 0 | 1; readonly trims: readonly OffsetTrim[] }
  | { readonly ids: readonly number[]; readonly isSpecial: boolean }
);

/** Runs that stay together when chunks of texts are combined. At most one of them is a text. */
export type Frame = readonly FramePiece[];

/** One post-processor of a file. */
export interface PostProcessorStep {
  /** Tokens that truncation leaves room for, with one text and with two. */
  readonly added: readonly [single: number, pair: number];
  /** What becomes of the frames of the step before; at first, each text is one. */
  apply(frames: readonly Frame[], addSpecialTokens: boolean): readonly Frame[];
}

/** What stands around the texts: frames end to end. */
export interface FrameLayout {
  readonly frames: readonly Frame[];
  /** The same without the grouping. */
  readonly pieces: readonly FramePiece[];
  readonly hasTrims: boolean;
}

/**
 * What happens after the model. Where each text and each added token goes, and with which type,
 * depends on nothing but the number of texts, so that it is worked out once, without tokens.
 *
 * @see `PostProcessor` in huggingface/tokenizers (3ba8ad0): tokenizers/src/tokenizer/mod.rs and
 *   tokenizers/src/processors
 */
export class PostProcessor {
  readonly #steps: readonly PostProcessorStep[];
  readonly #layouts: (FrameLayout | undefined)[] = [];

  constructor(steps: readonly PostProcessorStep[]) {
    this.#steps = steps;
  }

  /**
   * Where the texts go.
   *
   * @throws {@link InferenceError} `unsupported` if a template gets more parts than it has names for.
   */
  layoutOf(isPair: boolean, addSpecialTokens: boolean): FrameLayout {
    const key = Number(isPair) + 2 * Number(addSpecialTokens);
    return (this.#layouts[key] ??= this.#createLayout(isPair, addSpecialTokens));
  }

  /** How many tokens truncation leaves room for, whatever the number of those that are added. */
  countAdded(isPair: boolean): number {
    return this.#steps.reduce((sum, { added }) => sum + added[isPair ? 1 : 0], 0);
  }

  #createLayout(isPair: boolean, addSpecialTokens: boolean): FrameLayout {
    const texts: readonly Frame[] = isPair ? [textFrame(0), textFrame(1)] : [textFrame(0)];
    const frames = this.#steps.reduce((each, step) => step.apply(each, addSpecialTokens), texts);
    const pieces = frames.flat();
    const hasTrims = pieces.some((piece) => "trims" in piece && piece.trims.length > 0);
    return { frames, pieces, hasTrims };
  }
}

function textFrame(sequence: 0 | 1): Frame {
  return [{ sequence, typeId: sequence, overflowTypeId: sequence, trims: [] }];
}
