import type { Tokenizer } from "../tokenizer.ts";
import { byteLevelFromGguf } from "./gguf-byte-level.ts";
import { sentencePieceFromGguf } from "./gguf-sentencepiece.ts";
import { wordPieceFromGguf } from "./gguf-word-piece.ts";
import { GgufReader, type GgufMetadata } from "./gguf-metadata.ts";

/**
 * Makes the tokenizer that the metadata of a GGUF file describes, as `@huggingface/gguf` and other
 * readers return them: keys such as `tokenizer.ggml.tokens` to plain values or typed arrays.
 *
 * Byte-level vocabularies need a name in `tokenizer.ggml.pre` that is known here, because the file
 * does not say how text is cut otherwise. Tokens are tried on the text as written, control tokens and
 * the user's own alike; `special: "text"` leaves the control tokens out.
 *
 * @throws {@link InferenceError} `format` or `unsupported`, naming the key.
 * @see ggml-org/llama.cpp: src/llama-vocab.cpp
 */
export function fromGgufVocabulary(metadata: GgufMetadata): Tokenizer {
  const reader = new GgufReader(metadata);
  const model = reader.string("model");
  switch (model) {
    case "gpt2":
      return byteLevelFromGguf(reader);
    case "llama":
      return sentencePieceFromGguf(reader, "bpe");
    case "t5":
      return sentencePieceFromGguf(reader, "unigram");
    case "bert":
      return wordPieceFromGguf(reader);
    default:
      return reader.refuse("model", model);
  }
}
