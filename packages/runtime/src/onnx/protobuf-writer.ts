/** Every engine has it; the compiler's ECMAScript library does not. */
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

/**
 * Writes the protobuf wire format: just the field kinds that ONNX messages use.
 *
 * Fields appear in the order of the calls. Negative integers are written as 64-bit varints, as
 * protobuf prescribes for `int64` and `int32`.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class ProtobufWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** A varint field: `int64`, `int32` or an enum. Unchecked: a safe integer. */
  int(field: number, value: number): void {
    this.#varint(field * 8);
    this.#varint(value);
  }

  /** A `float` field. */
  float(field: number, value: number): void {
    this.#varint(field * 8 + 5);
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  /** A `bytes` field. */
  bytes(field: number, value: Uint8Array): void {
    this.#varint(field * 8 + 2);
    this.#varint(value.length);
    this.raw(value);
  }

  /** A `string` field. File names may hold any character. */
  string(field: number, value: string): void {
    this.bytes(field, new TextEncoder().encode(value));
  }

  /** A field that is encoded already. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** An embedded message, written by `write`. */
  message(field: number, write: (writer: ProtobufWriter) => void): void {
    const child = new ProtobufWriter();
    write(child);
    this.bytes(field, child.finish());
  }

  /** The bytes written so far; a view that later writes may leave stale. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #varint(value: number): void {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 0x7fn) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
