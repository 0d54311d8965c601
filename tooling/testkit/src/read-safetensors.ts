import { InferenceError } from "@frugal/core";

import type { TensorMap } from "./reference-weights.ts";

/** What a safetensors file holds. */
export interface SafetensorsFile {
  /** The U8, F32, F16 and BF16 tensors, widened. */
  readonly tensors: TensorMap;
  /** The I64 tensors. */
  readonly integers: Map<string, { shape: number[]; data: number[] }>;
  readonly metadata: Record<string, string>;
}

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/**
 * Reads a whole safetensors file, value by value. Written for tests, apart from the runtime's
 * reader so that one can check the other; it trusts the file.
 *
 * @throws {@link InferenceError} `unsupported` for a type other than U8, F32, F16, BF16 and I64.
 */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start))) as Record<
    string,
    unknown
  >;
  const file: SafetensorsFile = {
    tensors: new Map(),
    integers: new Map(),
    metadata: (header["__metadata__"] ?? {}) as Record<string, string>,
  };
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: offsets } = value as Entry;
    const from = start + offsets[0];
    const count = shape.reduce((a, b) => a * b, 1);
    if (dtype === "I64") {
      const at = (i: number): number => Number(view.getBigInt64(from + 8 * i, true));
      file.integers.set(name, { shape, data: Array.from({ length: count }, (_, i) => at(i)) });
      continue;
    }
    const read = readers[dtype];
    if (read === undefined) {
      throw new InferenceError("unsupported", `${name}: cannot read values of type ${dtype}`);
    }
    const data = new Float32Array(count);
    for (let i = 0; i < count; i++) data[i] = read(view, from, i);
    file.tensors.set(name, { shape, data });
  }
  return file;
}

const readers: Record<string, (view: DataView, from: number, i: number) => number> = {
  U8: (view, from, i) => view.getUint8(from + i),
  F32: (view, from, i) => view.getFloat32(from + 4 * i, true),
  F16: (view, from, i) => halfToNumber(view.getUint16(from + 2 * i, true)),
  BF16: (view, from, i) => {
    word.setUint32(0, view.getUint16(from + 2 * i, true) << 16);
    return word.getFloat32(0);
  },
};

const word = new DataView(new ArrayBuffer(4));

/** The value of IEEE half-precision bits. */
function halfToNumber(bits: number): number {
  const sign = bits >> 15 === 1 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}
