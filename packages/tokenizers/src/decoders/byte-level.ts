import { byteOfCharacter } from "../byte-alphabet.ts";
import { utf8Length, writeUtf8 } from "../utf8.ts";
import type { TokenDecoder } from "./token-decoder.ts";

/**
 * The bytes of every token, in one buffer.
 *
 * A token whose characters are all byte stand-ins means those bytes; any other, which is to say an
 * added one, means its own UTF-8. The rule is the reference's and looks at the string only: an
 * added token `"é"` therefore decodes to the byte E9.
 *
 * Memory: the vocabulary's bytes and 4 per id.
 *
 * @see `ByteLevel::decode_chain` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/pre_tokenizers/byte_level.rs
 */
export class ByteLevelDecoder implements TokenDecoder {
  readonly #bytes: Uint8Array;
  /** Token `id` is `#bytes[#ends[id - 1]]` up to `#bytes[#ends[id]]`. */
  readonly #ends: Uint32Array;

  /** `tokens` by id; an absent one has no bytes. O(total length). */
  constructor(tokens: readonly (string | undefined)[]) {
    const byteOf = byteOfCharacter();
    let capacity = 0;
    for (const token of tokens) capacity += utf8Length(token ?? "");
    const bytes = new Uint8Array(capacity);
    this.#ends = new Uint32Array(tokens.length);
    let end = 0;
    tokens.forEach((token, id) => {
      if (token !== undefined) end += writeToken(token, byteOf, bytes.subarray(end));
      this.#ends[id] = end;
    });
    this.#bytes = bytes.slice(0, end);
  }

  /** A view of one token's bytes; do not write to it. Unchecked: the id is in range. */
  bytesOf(id: number): Uint8Array {
    return this.#bytes.subarray(id === 0 ? 0 : this.#ends[id - 1]!, this.#ends[id]);
  }

  /** None: the bytes say it all. */
  openStream(): null {
    return null;
  }

  /** The text of many ids. Unchecked: every id is in range. O(bytes). */
  decode(ids: readonly number[]): string {
    let size = 0;
    for (const id of ids) size += this.#ends[id]! - (id === 0 ? 0 : this.#ends[id - 1]!);
    const joined = new Uint8Array(size);
    let at = 0;
    for (const id of ids) {
      const end = this.#ends[id]!;
      for (let i = id === 0 ? 0 : this.#ends[id - 1]!; i < end; i++) joined[at++] = this.#bytes[i]!;
    }
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(joined);
  }
}

/** Writes what a token means and returns how many bytes that is. */
function writeToken(
  token: string,
  byteOf: readonly (number | undefined)[],
  out: Uint8Array,
): number {
  for (let i = 0; i < token.length; i++) {
    const byte = byteOf[token.charCodeAt(i)];
    if (byte === undefined) return writeUtf8(token, out);
    out[i] = byte;
  }
  return token.length;
}
