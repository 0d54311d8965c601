/**
 * Text tokenizers for language models: `tokenizer.json` in, ids and offsets out, and text back,
 * whole or while it is generated. Depends on `@frugal/core` only; runs wherever JavaScript runs.
 *
 * @module
 */
export { createTokenizer } from "./create-tokenizer.ts";
export type { EncodeOptions, Encoding, EncodingWithOffsets } from "./encoding.ts";
export { StreamDecoder, type TokenBytes } from "./stream-decoder.ts";
export type { DecodeOptions, Tokenizer } from "./tokenizer.ts";
