import type { Tokenizer } from "../tokenizer.ts";
import { bytePiece } from "../models/sentencepiece.ts";
import { GGUF_TYPE, type GgufReader } from "./gguf-metadata.ts";
import type { PieceType, SentencePiece, SentencePieceModel } from "./sentencepiece-model.ts";
import { sentencePieceTokenizer } from "./sentencepiece.ts";

const TYPES: ReadonlyMap<number, PieceType> = /* @__PURE__ */ new Map<number, PieceType>([
  [GGUF_TYPE.normal, "normal"],
  [GGUF_TYPE.unknown, "unknown"],
  [GGUF_TYPE.control, "control"],
  [GGUF_TYPE.userDefined, "user-defined"],
  [GGUF_TYPE.unused, "unused"],
  [GGUF_TYPE.byte, "byte"],
]);

/**
 * Builds the tokenizer of a sentencepiece vocabulary, `tokenizer.ggml.model` being `llama`, which is
 * byte-pair encoding by scores, or `t5`, which is unigram.
 */
export function sentencePieceFromGguf(reader: GgufReader, algorithm: "bpe" | "unigram"): Tokenizer {
  const tokens = reader.strings("tokens");
  const scores = reader.numbers("scores", tokens.length) ?? tokens.map(() => 0);
  const types = reader.numbers("token_type", tokens.length) ?? tokens.map(() => GGUF_TYPE.normal);
  const unknown = reader.id("unknown_token_id", tokens.length);
  const pieces = tokens.map((piece, id): SentencePiece => {
    const type = id === unknown ? "unknown" : (TYPES.get(types[id]!) ?? "normal");
    // Only one may be unknown; files mark others so that merely stand for nothing.
    const isExtra = type === "unknown" && unknown !== null && id !== unknown;
    return { piece, score: Math.fround(scores[id]!), type: isExtra ? "control" : type };
  });
  const known = new Set(tokens);
  const pieceOf = (name: string): string => {
    const id = reader.id(`${name}_token_id`, tokens.length);
    return id === null ? "" : tokens[id]!;
  };
  const model: SentencePieceModel = {
    pieces,
    algorithm,
    byteFallback: Array.from({ length: 256 }, (_, byte) => bytePiece(byte)).every((piece) =>
      known.has(piece),
    ),
    spaceAsSuffix: false,
    unknownSurface: " \u2047 ",
    bosPiece: pieceOf("bos"),
    eosPiece: pieceOf("eos"),
    padPiece: pieceOf("padding"),
    charsmap: reader.bytes("precompiled_charsmap"),
    denormalizer: new Uint8Array(0),
    addDummyPrefix: reader.boolean("add_space_prefix", true),
    removeExtraSpaces: reader.boolean("remove_extra_whitespaces", false),
    escapeSpaces: true,
  };
  return sentencePieceTokenizer(model, {
    addBos: reader.boolean("add_bos_token", algorithm === "bpe"),
    addEos: reader.boolean("add_eos_token", algorithm === "unigram"),
    parseControl: true,
  });
}
