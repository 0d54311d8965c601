import type { TokenBuffer } from "../token-buffer.ts";
import type { Vocabulary } from "../vocabulary.ts";

/** What a post-processor may look at. */
export interface PostProcessorContext {
  /** The text that was encoded, well-formed. */
  readonly text: string;
  readonly addSpecialTokens: boolean;
  readonly vocabulary: Vocabulary;
}

/** Adds tokens or corrects ranges; returns its argument, changed, or another buffer. */
export type PostProcessor = (tokens: TokenBuffer, context: PostProcessorContext) => TokenBuffer;
