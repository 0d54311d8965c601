import { InferenceError } from "@frugal/core";

/** One field of a message. */
export interface ProtobufField {
  readonly field: number;
  /** Of a varint; 0 for other kinds. */
  readonly value: number;
  /** Of a length-delimited field, a view; empty for other kinds. */
  readonly bytes: Uint8Array;
  /** The field as it is in the file, with its tag. */
  readonly raw: Uint8Array;
}

/**
 * Walks over the fields of a message in the order of the file, without a schema. Submessages are
 * the `bytes` of their field. Cost: O(fields), no copies.
 *
 * @throws {@link InferenceError} `format` if the bytes end inside a field or use groups.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export function* protobufFields(message: Uint8Array): Generator<ProtobufField, void, void> {
  const none = new Uint8Array();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++];
      if (byte === undefined || shift > 2 ** 63) throw broken(at);
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const start = at;
    const tag = varint();
    const [field, kind] = [Math.floor(tag / 8), tag % 8];
    if (kind === 0) {
      const value = varint();
      yield { field, value, bytes: none, raw: message.subarray(start, at) };
      continue;
    }
    const length = kind === 2 ? varint() : kind === 1 ? 8 : kind === 5 ? 4 : Number.NaN;
    if (!(at + length <= message.length)) throw broken(at);
    const bytes = message.subarray(at, at + length);
    at += length;
    const raw = message.subarray(start, at);
    yield { field, value: 0, bytes: kind === 2 ? bytes : none, raw };
  }
}

function broken(at: number): InferenceError {
  return new InferenceError("format", `onnx: broken before byte ${at}`);
}
