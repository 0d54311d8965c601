import { bpeStep, fuseStep, stripStep } from "../decoders/edges.ts";
import { byteFallbackStep, byteLevelStep } from "../decoders/byte-steps.ts";
import { chainStages, tokenStep, type DecoderStep } from "../decoders/stage.ts";
import { spacedStep } from "../decoders/chain.ts";
import { ctcStep, replaceLiteral, wordPieceStep } from "../decoders/word-piece.ts";
import { readCharacter, readMetaspace, readPattern } from "./hf-pattern.ts";
import { replaceNormalizer } from "../normalizers/replace.ts";
import { readType, type TypeShape } from "./hf-type.ts";
import type { JsonReader } from "./json-reader.ts";

const SHAPES: readonly TypeShape[] = [
  ["BPEDecoder", ["suffix"]],
  ["WordPiece", ["prefix", "cleanup"]],
  ["CTC", ["pad_token", "word_delimiter_token", "cleanup"]],
  ["Replace", ["pattern", "content"]],
  ["Strip", ["content", "start", "stop"]],
];

/**
 * Reads a decoder as a list of steps; null where there is nothing but ByteLevel, which a table of
 * bytes does faster.
 *
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/decoders/mod.rs
 */
export function readDecoder(reader: JsonReader): readonly DecoderStep[] | null {
  if (reader.isAbsent) return [spacedStep];
  if (reader.member("type").value === "ByteLevel") return null;
  return [readStep(reader)];
}

function readStep(reader: JsonReader): DecoderStep {
  const type = readType(reader, SHAPES);
  switch (type) {
    case "ByteLevel":
      return byteLevelStep();
    case "WordPiece":
      return wordPieceStep(reader.member("prefix").string(), reader.member("cleanup").boolean());
    case "Metaspace":
      return readMarks(reader);
    case "BPEDecoder":
      return bpeStep(reader.member("suffix").string());
    case "CTC":
      return ctcStep(
        reader.member("pad_token").string(),
        reader.member("word_delimiter_token").string(),
        reader.member("cleanup").boolean(),
      );
    case "ByteFallback":
      return byteFallbackStep();
    case "Fuse":
      return fuseStep;
    case "Strip":
      return stripStep(
        readCharacter(reader.member("content")),
        reader.member("start").id(),
        reader.member("stop").id(),
      );
    case "Replace":
      return readReplace(reader);
    case "Sequence": {
      const steps = reader.member("decoders").array().map(readStep);
      return () => chainStages(steps);
    }
    default:
      return reader.refuse(`decoder "${type}"`);
  }
}

function readMarks(reader: JsonReader): DecoderStep {
  const { mark, scheme } = readMetaspace(reader);
  return tokenStep((token, isFirst) =>
    replaceLiteral(token, mark, isFirst && scheme !== "never" ? "" : " "),
  );
}

function readReplace(reader: JsonReader): DecoderStep {
  const replace = replaceNormalizer(
    readPattern(reader.member("pattern")),
    reader.member("content").string(),
  );
  return tokenStep((token) => replace(token, false).text);
}
