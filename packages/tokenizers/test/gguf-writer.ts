/** A value of a GGUF file with the number of its type. */
export type GgufValue = readonly [type: number, value: unknown];

const NUMBERS: Readonly<Record<number, (view: DataView, value: number | bigint) => void>> = {
  0: (view, value) => view.setUint8(0, Number(value)),
  1: (view, value) => view.setInt8(0, Number(value)),
  2: (view, value) => view.setUint16(0, Number(value), true),
  3: (view, value) => view.setInt16(0, Number(value), true),
  4: (view, value) => view.setUint32(0, Number(value), true),
  5: (view, value) => view.setInt32(0, Number(value), true),
  6: (view, value) => view.setFloat32(0, Number(value), true),
  7: (view, value) => view.setUint8(0, Number(value)),
  10: (view, value) => view.setBigUint64(0, BigInt(value), true),
  11: (view, value) => view.setBigInt64(0, BigInt(value), true),
  12: (view, value) => view.setFloat64(0, Number(value), true),
};
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** A GGUF file without tensors. The value of type 9, an array, is its type and its values. */
export function writeGguf(metadata: Readonly<Record<string, GgufValue>>, version = 3): Uint8Array {
  const bytes: number[] = [...new TextEncoder().encode("GGUF")];
  const put = (type: number, value: unknown): void => {
    if (type === 8) {
      const text = new TextEncoder().encode(value as string);
      put(10, text.length);
      for (const byte of text) bytes.push(byte);
    } else if (type === 9) {
      const [inner, values] = value as [number, unknown[]];
      put(4, inner);
      put(10, values.length);
      for (const each of values) put(inner, each);
    } else {
      const view = new DataView(new ArrayBuffer(SIZES[type]!));
      NUMBERS[type]!(view, value as number);
      bytes.push(...new Uint8Array(view.buffer));
    }
  };
  put(4, version);
  put(10, 0);
  put(10, Object.keys(metadata).length);
  for (const [key, [type, value]] of Object.entries(metadata)) {
    put(8, key);
    put(4, type);
    put(type, value);
  }
  return Uint8Array.from(bytes);
}
