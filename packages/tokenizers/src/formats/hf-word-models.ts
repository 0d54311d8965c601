import { wordLevel } from "../models/word-level.ts";
import { WordPiece, type WordPieceInit } from "../models/word-piece.ts";
import { readVocab } from "./hf-bpe.ts";
import type { ModelFile } from "./hf-model.ts";
import type { JsonReader } from "./json-reader.ts";

/**
 * Reads a WordPiece model.
 *
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/models/wordpiece/serialization.rs
 */
export function readWordPiece(model: JsonReader): ModelFile {
  const limit = model.member("max_input_chars_per_word");
  return wordPieceFile({
    vocab: readVocab(model.member("vocab")),
    unknown: model.member("unk_token").optionalString() ?? "[UNK]",
    prefix: model.member("continuing_subword_prefix").optionalString() ?? "##",
    longestWord: limit.isAbsent ? 100 : limit.id(),
  });
}

/** A WordPiece model as a {@link ModelFile}. */
function wordPieceFile(init: WordPieceInit): ModelFile {
  return {
    ids: init.vocab,
    size: init.vocab.size,
    createByteModel: null,
    createModel: () => new WordPiece(init),
    toJson: () => ({
      type: "WordPiece",
      unk_token: init.unknown,
      continuing_subword_prefix: init.prefix,
      max_input_chars_per_word: init.longestWord,
      vocab: Object.fromEntries(init.vocab),
    }),
  };
}

/**
 * Reads a model of one token for each word.
 *
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/models/wordlevel/serialization.rs
 */
export function readWordLevel(model: JsonReader): ModelFile {
  const vocab = readVocab(model.member("vocab"));
  const unknown = model.member("unk_token").optionalString() ?? "<unk>";
  return {
    ids: vocab,
    size: vocab.size,
    createByteModel: null,
    createModel: () => wordLevel(vocab, unknown),
    toJson: () => ({ type: "WordLevel", vocab: Object.fromEntries(vocab), unk_token: unknown }),
  };
}
