import { byteOfCharacter } from "../byte-alphabet.ts";
import { utf8Length, writeUtf8 } from "../utf8.ts";
import type { DecoderStep } from "./stage.ts";

/**
 * Byte stand-ins to bytes and those to one text; a token with any other character is its own UTF-8.
 *
 * @see `ByteLevel::decode_chain` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/pre_tokenizers/byte_level.rs
 */
export function byteLevelStep(): DecoderStep {
  const byteOf = byteOfCharacter();
  return () => {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let held = "";
    return {
      push(text, ends, emit) {
        held += text;
        if (!ends) return;
        const stood = Array.from(held, (character) =>
          character.length > 1 ? undefined : byteOf[character.charCodeAt(0)],
        );
        let bytes: Uint8Array;
        if (stood.includes(undefined)) {
          bytes = new Uint8Array(utf8Length(held));
          writeUtf8(held, bytes);
        } else {
          // The check above leaves no gaps.
          bytes = Uint8Array.from(stood as number[]);
        }
        held = "";
        emit(decoder.decode(bytes, { stream: true }), false);
      },
      flush: (emit) => emit(decoder.decode(), true),
    };
  };
}

/** The byte that a token like `<0x0A>` stands for, or -1. */
export function fallbackByte(token: string): number {
  // The reference reads a sign, too: "<0x+A>" is a byte.
  const match = /^<0x(?<byte>[0-9A-Fa-f]{2}|\+[0-9A-Fa-f])>$/u.exec(token);
  return match === null ? -1 : Number.parseInt(match.groups!["byte"]!.replace("+", ""), 16);
}

/**
 * Runs of tokens like `<0xE2>` to the text their bytes are, or, if they are none, to one U+FFFD for
 * each. A run is held back to its end: one byte may still spoil it all.
 *
 * @see `ByteFallback` in huggingface/tokenizers (3ba8ad0): tokenizers/src/decoders/byte_fallback.rs
 */
export function byteFallbackStep(): DecoderStep {
  return () => {
    let held = "";
    let run: number[] = [];
    const release = (emit: (text: string, ends: boolean) => void): void => {
      if (run.length === 0) return;
      const text = decodeStrictly(run);
      if (text !== null) emit(text, true);
      else for (const _ of run) emit("\ufffd", true);
      run = [];
    };
    return {
      push(text, ends, emit) {
        held += text;
        if (!ends) return;
        const token = held;
        held = "";
        const byte = fallbackByte(token);
        if (byte >= 0) {
          run.push(byte);
          return;
        }
        release(emit);
        emit(token, true);
      },
      flush: release,
    };
  };
}

function decodeStrictly(bytes: readonly number[]): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(bytes),
    );
  } catch {
    return null;
  }
}
