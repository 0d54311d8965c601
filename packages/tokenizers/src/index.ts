/**
 * Text tokenizers for language models: `tokenizer.json` in, ids and offsets out, and text back,
 * whole or while it is generated. Depends on `@frugal/core` only; runs wherever JavaScript runs.
 *
 * @module
 */
export { chunkByTokens, type ChunkOptions, type TextChunk } from "./chunk-by-tokens.ts";
export { countTokens, type CountOptions } from "./count-tokens.ts";
export { byteOffsets } from "./byte-offsets.ts";
export { createTokenizer, type TokenizerFiles } from "./create-tokenizer.ts";
export type { CutRule, PartEncoder } from "./cuts/cut-rule.ts";
export { encodeBatch } from "./encode-batch.ts";
export type { EncodeOptions, Encoding, EncodingWithOffsets } from "./encoding.ts";
export type { GgufMetadata } from "./formats/gguf-metadata.ts";
export { fromGgufVocabulary } from "./formats/gguf-vocabulary.ts";
export { fromLegacyBpe, type LegacyBpeOptions } from "./formats/legacy-bpe.ts";
export { fromSentencePiece, type SentencePieceOptions } from "./formats/sentencepiece.ts";
export type {
  SampleOptions,
  ScoredIds,
  SentencePieceTokenizer,
} from "./formats/sentencepiece-sampling.ts";
export type { GuardedTokenizer, SpecialPolicy } from "./formats/special-policy.ts";
export {
  tiktokenEncoding,
  type TiktokenEncoding,
  type TiktokenEncodingName,
} from "./formats/tiktoken-encodings.ts";
export { fromTiktoken, type TiktokenOptions } from "./formats/tiktoken.ts";
export { sliceByTokens } from "./slice-by-tokens.ts";
export {
  fromWordPieceVocabulary,
  type WordPieceVocabularyOptions,
} from "./formats/word-piece-vocabulary.ts";
export { StreamDecoder, type TokenBytes } from "./stream-decoder.ts";
export { StreamEncoder, type StreamEncodeOptions } from "./stream-encoder.ts";
export type { DecodeOptions, Tokenizer } from "./tokenizer.ts";
export type { Padding } from "./padding.ts";
export type { Truncation } from "./truncation.ts";
