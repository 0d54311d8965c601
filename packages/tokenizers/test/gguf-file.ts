import type { GgufMetadata } from "../src/index.ts";

/** Reads the metadata at the front of a GGUF file, for tests: nothing is checked. */
export function readGgufMetadata(file: Uint8Array): GgufMetadata {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 24;
  const count = (): number => {
    at += 8;
    return Number(view.getBigUint64(at - 8, true));
  };
  const string = (): string => {
    const length = count();
    at += length;
    return new TextDecoder().decode(file.subarray(at - length, at));
  };
  const number = (size: number, read: (at: number) => unknown): unknown => {
    at += size;
    return read(at - size);
  };
  const readers: Record<number, () => unknown> = {
    0: () => number(1, (i) => view.getUint8(i)),
    1: () => number(1, (i) => view.getInt8(i)),
    2: () => number(2, (i) => view.getUint16(i, true)),
    3: () => number(2, (i) => view.getInt16(i, true)),
    4: () => number(4, (i) => view.getUint32(i, true)),
    5: () => number(4, (i) => view.getInt32(i, true)),
    6: () => number(4, (i) => view.getFloat32(i, true)),
    7: () => number(1, (i) => view.getUint8(i) !== 0),
    8: string,
    9: () => {
      const read = readers[view.getUint32(at, true)]!;
      at += 4;
      return Array.from({ length: count() }, read);
    },
    10: () => number(8, (i) => view.getBigUint64(i, true)),
    11: () => number(8, (i) => view.getBigInt64(i, true)),
    12: () => number(8, (i) => view.getFloat64(i, true)),
  };
  const metadata = new Map<string, unknown>();
  const entries = Number(view.getBigUint64(16, true));
  for (let i = 0; i < entries; i++) {
    const key = string();
    at += 4;
    metadata.set(key, readers[view.getUint32(at - 4, true)]!());
  }
  return metadata;
}
