import { byteAlphabet } from "../byte-alphabet.ts";
import { utf8Length, writeUtf8 } from "../utf8.ts";
import { characterMap } from "./character-map.ts";
import type { Normalizer } from "./normalizer.ts";

/**
 * Writes the printable stand-in of each byte, with the range of its character. O(length).
 *
 * @see `ByteLevel` in huggingface/tokenizers (3ba8ad0): tokenizers/src/normalizers/byte_level.rs
 */
export function byteLevelNormalizer(): Normalizer {
  const alphabet = byteAlphabet();
  return characterMap(/[^!-~]/gu, (character) => {
    const bytes = new Uint8Array(utf8Length(character));
    writeUtf8(character, bytes);
    return Array.from(bytes, (byte) => alphabet[byte]!).join("");
  });
}
