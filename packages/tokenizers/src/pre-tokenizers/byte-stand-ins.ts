import { byteAlphabet } from "../byte-alphabet.ts";
import { utf8Length, writeUtf8 } from "../utf8.ts";
import { byteLevelPreTokenizer } from "./byte-level.ts";
import { cutStep, prefixPiece, type Piece, type PieceStep } from "./piece.ts";

/**
 * Byte-level encoding in full: a space in front if `prefix`, GPT-2's cuts if `useRegex`, and then
 * the stand-in of each byte, with the range of its character. O(length).
 *
 * @see `ByteLevel::pre_tokenize` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/pre_tokenizers/byte_level.rs
 */
export function byteStandIns(prefix: boolean, useRegex: boolean): PieceStep {
  const alphabet = byteAlphabet();
  const cut = cutStep(byteLevelPreTokenizer(false, useRegex));
  return (piece, emit) => {
    const whole = prefix && !piece.text.startsWith(" ") ? prefixPiece(piece, " ") : piece;
    cut(whole, (part) => emit(spell(part, alphabet)));
  };
}

function spell({ text, origin }: Piece, alphabet: readonly string[]): Piece {
  const bytes = new Uint8Array(utf8Length(text));
  writeUtf8(text, bytes);
  let spelled = "";
  for (const byte of bytes) spelled += alphabet[byte]!;
  if (origin === null) return { text: spelled, origin: null };

  const starts = new Uint32Array(bytes.length);
  const ends = new Uint32Array(bytes.length);
  let unit = -1;
  bytes.forEach((byte, i) => {
    // A byte that begins a character moves on to its first unit.
    if ((byte & 0xc0) !== 0x80) unit += unit >= 0 && text.codePointAt(unit)! >= 0x10000 ? 2 : 1;
    starts[i] = origin.starts[unit]!;
    ends[i] = origin.ends[unit]!;
  });
  return { text: spelled, origin: { starts, ends } };
}
