import type { Normalizer } from "../normalizers/normalizer.ts";
import { normalizerSequence } from "../normalizers/sequence.ts";
import { normalizeNfc } from "../normalizers/unicode.ts";
import type { JsonReader } from "./json-reader.ts";

/** Reads a normalizer; null where there is none. */
export function readNormalizer(reader: JsonReader): Normalizer | null {
  if (reader.isAbsent) return null;
  const type = reader.member("type").string();
  switch (type) {
    case "NFC":
      return normalizeNfc;
    case "Sequence":
      return normalizerSequence(reader.member("normalizers").array().map(readPart));
    default:
      return reader.refuse(`normalizer "${type}"`);
  }
}

function readPart(reader: JsonReader): Normalizer {
  return readNormalizer(reader) ?? reader.fail("a normalizer");
}
