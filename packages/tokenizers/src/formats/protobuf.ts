import { InferenceError } from "@frugal/core";

/** One field of a message. */
export interface ProtobufField {
  readonly number: number;
  /** Of a number: its low 32 bits, as they are for 4 bytes, else of the varint or the 8 bytes. */
  readonly value: number;
  /** Of a string, of bytes or of a message; empty for numbers. */
  readonly bytes: Uint8Array;
}

/**
 * Visits the fields of a protobuf message in order. Numbers beyond 32 bits lose what is above.
 *
 * @throws {@link InferenceError} `format`, with the offset, where the bytes are no message.
 */
export function eachField(
  message: Uint8Array,
  place: string,
  visit: (field: ProtobufField) => void,
): void {
  const nothing = new Uint8Array(0);
  let at = 0;
  const fail = (expected: string, start: number): never => {
    const got = `byte ${message[start] ?? "none"} of ${message.length}`;
    throw new InferenceError(
      "format",
      `${place} offset ${start}: expected ${expected}, got ${got}`,
    );
  };
  const skip = (count: number, start: number): number => {
    if (count > message.length - at) fail(`${count} more bytes`, start);
    at += count;
    return at - count;
  };
  const varint = (): number => {
    const start = at;
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[skip(1, start)]!;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    return fail("a number of at most 10 bytes", start);
  };

  while (at < message.length) {
    const start = at;
    const tag = varint();
    const number = tag >>> 3;
    if (number === 0) fail("the number of a field", start);
    switch (tag & 7) {
      case 0:
        visit({ number, value: varint(), bytes: nothing });
        break;
      case 1:
        visit({ number, value: uint32(message, skip(8, start)), bytes: nothing });
        break;
      case 2: {
        const length = varint();
        const from = skip(length, start);
        visit({ number, value: 0, bytes: message.subarray(from, from + length) });
        break;
      }
      case 5:
        visit({ number, value: uint32(message, skip(4, start)), bytes: nothing });
        break;
      default:
        fail("a field of a known kind", start);
    }
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}
