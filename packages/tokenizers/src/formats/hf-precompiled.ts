import { Charsmap } from "../normalizers/charsmap.ts";
import type { Normalizer } from "../normalizers/normalizer.ts";
import { precompiledNormalizer } from "../normalizers/precompiled.ts";
import { decodeBase64 } from "./base64.ts";
import type { JsonReader } from "./json-reader.ts";

/** Reads a character map in base64; an absent or empty one changes nothing. */
export function readPrecompiled(charsmap: JsonReader): Normalizer {
  const text = charsmap.optionalString() ?? "";
  const blob = decodeBase64(text) ?? charsmap.fail("base64");
  if (blob.length === 0) return (source) => ({ text: source, origin: null });
  return precompiledNormalizer(new Charsmap(blob, charsmap.place));
}
