import type { AddedTokens } from "./added-tokens.ts";
import type { CutRule } from "./cuts/cut-rule.ts";
import type { TokenDecoder } from "./decoders/token-decoder.ts";
import type { ByteLevelBpe } from "./models/bpe.ts";
import type { Model } from "./models/model.ts";
import type { Normalizer } from "./normalizers/normalizer.ts";
import type { Padding } from "./padding.ts";
import type { PostProcessor } from "./post-processors/post-processor.ts";
import type { PieceStep } from "./pre-tokenizers/piece.ts";
import type { PreTokenizer } from "./pre-tokenizers/pre-tokenizer.ts";
import type { Truncation } from "./truncation.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Byte-level encoding: a pre-tokenizer that only cuts, and a model over bytes. */
export interface ByteStages {
  readonly kind?: "bytes";
  readonly preTokenizer: PreTokenizer;
  readonly model: ByteLevelBpe;
}

/** Any other encoding: a pre-tokenizer that may rewrite, and a model over characters. */
export interface TextStages {
  readonly kind: "text";
  readonly preTokenizer: PieceStep | null;
  readonly model: Model;
  /** Whether the pre-tokenizer looks at where in the text a piece begins. */
  readonly needsOrigin: boolean;
}

/** The stages of a tokenizer. */
export type TokenizerParts = CommonParts & (ByteStages | TextStages);

interface CommonParts {
  readonly vocabulary: Vocabulary;
  /** Added tokens to look for before normalization, and after it. */
  readonly rawTokens: AddedTokens;
  readonly normalizedTokens: AddedTokens;
  readonly normalizer: Normalizer | null;
  readonly postProcessor: PostProcessor | null;
  readonly truncation?: Truncation | null;
  readonly padding?: Padding | null;
  readonly cuts?: CutRule | null;
  /** Called on first use: encoding alone needs no table of bytes. */
  readonly createDecoder: () => TokenDecoder;
  /** The `tokenizer.json` that means the same. */
  readonly toJson: () => object;
}
