import { bertNormalizer, stripAccentsNormalizer } from "../normalizers/bert.ts";
import { byteLevelNormalizer } from "../normalizers/byte-level.ts";
import { lowercaseNormalizer, nmtNormalizer } from "../normalizers/character-map.ts";
import { prependNormalizer, stripNormalizer } from "../normalizers/edges.ts";
import { readPrecompiled } from "./hf-precompiled.ts";
import type { Normalizer } from "../normalizers/normalizer.ts";
import { replaceNormalizer } from "../normalizers/replace.ts";
import { normalizerSequence } from "../normalizers/sequence.ts";
import { unicodeNormalizer } from "../normalizers/unicode.ts";
import { readPattern } from "./hf-pattern.ts";
import { readType, type TypeShape } from "./hf-type.ts";
import type { JsonReader } from "./json-reader.ts";

const SHAPES: readonly TypeShape[] = [
  ["BertNormalizer", ["clean_text", "handle_chinese_chars", "lowercase"]],
  ["Strip", ["strip_left", "strip_right"]],
  ["Sequence", ["normalizers"]],
  ["Precompiled", ["precompiled_charsmap"]],
  ["Replace", ["pattern", "content"]],
  ["Prepend", ["prepend"]],
];

/** Reads a normalizer; null where there is none. */
export function readNormalizer(reader: JsonReader): Normalizer | null {
  if (reader.isAbsent) return null;
  const type = readType(reader, SHAPES);
  switch (type) {
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return unicodeNormalizer(type);
    case "Lowercase":
      return lowercaseNormalizer();
    case "Nmt":
      return nmtNormalizer();
    case "StripAccents":
      return stripAccentsNormalizer();
    case "ByteLevel":
      return byteLevelNormalizer();
    case "Strip":
      return stripNormalizer(
        reader.member("strip_left").boolean(),
        reader.member("strip_right").boolean(),
      );
    case "Prepend":
      return prependNormalizer(reader.member("prepend").string());
    case "Replace":
      return replaceNormalizer(
        readPattern(reader.member("pattern")),
        reader.member("content").string(),
      );
    case "BertNormalizer":
      return readBert(reader);
    case "Precompiled":
      return readPrecompiled(reader.member("precompiled_charsmap"));
    case "Sequence":
      return normalizerSequence(reader.member("normalizers").array().map(readPart));
    default:
      return reader.refuse(`normalizer "${type}"`);
  }
}

function readPart(reader: JsonReader): Normalizer {
  return readNormalizer(reader) ?? reader.fail("a normalizer");
}

function readBert(reader: JsonReader): Normalizer {
  const lowercase = reader.member("lowercase").boolean();
  return bertNormalizer({
    cleanText: reader.member("clean_text").boolean(),
    spaceIdeographs: reader.member("handle_chinese_chars").boolean(),
    stripAccents: reader.member("strip_accents").boolean(lowercase),
    lowercase,
  });
}
