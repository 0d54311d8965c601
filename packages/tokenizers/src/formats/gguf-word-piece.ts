import type { Tokenizer } from "../tokenizer.ts";
import { GGUF_TYPE, type GgufReader } from "./gguf-metadata.ts";
import { wordPieceTokenizer } from "./word-piece-vocabulary.ts";

/**
 * Builds BERT's tokenizer, `tokenizer.ggml.model` being `bert`. In these files a word begins with
 * U+2581 and what continues it has no mark; case does not count.
 */
export function wordPieceFromGguf(reader: GgufReader): Tokenizer {
  const tokens = reader.strings("tokens");
  const types = reader.numbers("token_type", tokens.length) ?? tokens.map(() => GGUF_TYPE.normal);
  const spelled = tokens.map((token, id) => {
    if (types[id] !== GGUF_TYPE.normal || /^\[.*\]$/u.test(token)) return token;
    return token.startsWith("\u2581") ? token.slice(1) : `##${token}`;
  });
  return wordPieceTokenizer(spelled, true, "tokenizer.ggml.tokens");
}
