import type { TextStream } from "@frugal/core";
import type { SentencePieceModel } from "../formats/sentencepiece-model.ts";
import { Charsmap } from "../normalizers/charsmap.ts";
import { utf8Length, writeUtf8 } from "../utf8.ts";
import { fallbackByte } from "./byte-steps.ts";
import type { TokenDecoder } from "./token-decoder.ts";

const PLACE = "model denormalizer_spec charsmap";

/** What a decoder must know about one piece. */
interface DecodedPiece {
  /** Text, with spaces for their stand-ins. */
  readonly text: string;
  /** The byte a byte piece means; -1 for others. */
  readonly byte: number;
  /** Whether it is text at all, so that a space in front of the whole can be taken off. */
  readonly isText: boolean;
}

/**
 * Pieces to text as sentencepiece does it: control pieces are nothing, bytes are read character by
 * character, and the space that was put in front of the text, or every one if spaces at the ends
 * were removed, is left out again.
 *
 * @see `SentencePieceProcessor::Decode` in google/sentencepiece (2734490):
 *   src/sentencepiece_processor.cc
 */
export function sentencePieceDecoder(model: SentencePieceModel): TokenDecoder {
  const pieces = model.pieces.map(({ piece, type }): DecodedPiece => {
    if (type === "control") return { text: "", byte: -1, isText: false };
    if (type === "unknown") return { text: model.unknownSurface, byte: -1, isText: false };
    const byte = type === "byte" ? fallbackByte(piece) : -1;
    return { text: piece.replaceAll("\u2581", " "), byte, isText: true };
  });
  const map = model.denormalizer.length > 0 ? new Charsmap(model.denormalizer, PLACE) : null;
  const openStream = (): TextStream => {
    const stream = new SentencePieceStream(pieces, model);
    return map === null ? stream : denormalized(stream, map);
  };
  return {
    openStream,
    decode(ids) {
      const stream = openStream();
      let text = "";
      for (const id of ids) text += stream.push(id);
      return text + stream.flush();
    },
    bytesOf(id) {
      const { text, byte } = pieces[id]!;
      if (byte >= 0) return Uint8Array.of(byte);
      const bytes = new Uint8Array(utf8Length(text));
      writeUtf8(text, bytes);
      return bytes;
    },
  };
}

/** The text of a stream, rewritten by a character map; what a longer key may want is held back. */
function denormalized(stream: TextStream, map: Charsmap): TextStream {
  let held = "";
  const rewrite = (isEnd: boolean): string => {
    let text = "";
    let at = 0;
    while (at < held.length) {
      if (!isEnd && map.mayGoOn(held, at)) break;
      const rule = map.longest(held, at);
      const length = rule?.length ?? (held.codePointAt(at)! >= 0x10000 ? 2 : 1);
      text += rule?.replacement ?? held.slice(at, at + length);
      at += length;
    }
    held = held.slice(at);
    return text;
  };
  return {
    push(id) {
      held += stream.push(id);
      return rewrite(false);
    },
    flush() {
      held += stream.flush();
      return rewrite(true);
    },
  };
}

/** Text of pieces as they arrive. Only an unfinished character is held back. */
class SentencePieceStream implements TextStream {
  readonly #pieces: readonly DecodedPiece[];
  /** How many of the leading spaces go: none, one or all. */
  readonly #strips: "none" | "one" | "all";
  #bytes: number[] = [];
  #atStart = true;

  constructor(pieces: readonly DecodedPiece[], model: SentencePieceModel) {
    this.#pieces = pieces;
    this.#strips = model.removeExtraSpaces ? "all" : model.addDummyPrefix ? "one" : "none";
  }

  push(id: number): string {
    const { text, byte, isText } = this.#pieces[id]!;
    if (byte >= 0) {
      this.#bytes.push(byte);
      return this.#seen(this.#takeCharacters(false));
    }
    const before = this.#seen(this.#takeCharacters(true));
    let part = text;
    if (isText && this.#atStart && this.#strips !== "none" && text.startsWith(" ")) {
      part = text.slice(1);
      if (this.#strips === "one") this.#atStart = false;
    }
    return before + this.#seen(part);
  }

  flush(): string {
    const text = this.#takeCharacters(true);
    this.#bytes = [];
    this.#atStart = true;
    return text;
  }

  #seen(text: string): string {
    if (text !== "") this.#atStart = false;
    return text;
  }

  /** Removes what is decided from the held bytes: all of it if nothing can follow. */
  #takeCharacters(isEnd: boolean): string {
    let text = "";
    while (this.#bytes.length > 0) {
      const size = characterSize(this.#bytes);
      if (size === 0 && !isEnd) break;
      text += size > 0 ? codePointOf(this.#bytes, size) : "\ufffd";
      this.#bytes.splice(0, Math.max(1, size));
    }
    return text;
  }
}

/** Length of the character at the front; 0 if it may still be completed, -1 if it is none. */
function characterSize(bytes: readonly number[]): number {
  const lead = bytes[0]!;
  if (lead < 0x80) return 1;
  const size = lead >> 5 === 6 ? 2 : lead >> 4 === 14 ? 3 : lead >> 3 === 30 ? 4 : -1;
  if (size < 0) return -1;
  for (let i = 1; i < Math.min(size, bytes.length); i++) if (bytes[i]! >> 6 !== 2) return -1;
  if (bytes.length < size) return 0;
  const codePoint = codePointAt(bytes, size);
  const least = size === 2 ? 0x80 : size === 3 ? 0x800 : 0x10000;
  const isSurrogate = codePoint >= 0xd800 && codePoint < 0xe000;
  return codePoint >= least && codePoint <= 0x10ffff && !isSurrogate ? size : -1;
}

function codePointAt(bytes: readonly number[], size: number): number {
  if (size === 1) return bytes[0]!;
  let value = bytes[0]! & (0x7f >> size);
  for (let i = 1; i < size; i++) value = (value << 6) | (bytes[i]! & 0x3f);
  return value;
}

function codePointOf(bytes: readonly number[], size: number): string {
  return String.fromCodePoint(codePointAt(bytes, size));
}
