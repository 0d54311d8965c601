/**
 * The printable stand-ins that byte-level vocabularies use for bytes, indexed by byte.
 *
 * Bytes 21-7E, A1-AC and AE-FF stand for themselves as Latin-1 characters; the other 68, in
 * increasing order, are U+0100, U+0101, and so on. A space is U+0120, a line feed U+010A.
 *
 * @see `bytes_char` in huggingface/tokenizers (3ba8ad0): tokenizers/src/pre_tokenizers/byte_level.rs
 */
export function byteAlphabet(): string[] {
  const alphabet: string[] = [];
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    alphabet.push(String.fromCharCode(isPrintable(byte) ? byte : next++));
  }
  return alphabet;
}

/** The byte each stand-in means, by code point; `undefined` elsewhere. */
export function byteOfCharacter(): (number | undefined)[] {
  const bytes: (number | undefined)[] = Array.from({ length: 0x144 });
  byteAlphabet().forEach((character, byte) => {
    bytes[character.charCodeAt(0)] = byte;
  });
  return bytes;
}

/** Bytes that the UTF-8 form of a code point's stand-ins takes: 1 for most of ASCII, else 2 each. */
export function standInSize(codePoint: number): number {
  if (codePoint < 0x80) return isPrintable(codePoint) ? 1 : 2;
  return codePoint < 0x800 ? 4 : codePoint < 0x10000 ? 6 : 8;
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
}
