import type { TensorMap } from "./reference-weights.ts";

/** Options of {@link writeSafetensors}. */
export interface WriteSafetensorsOptions {
  /** How every tensor is stored. Default `"F32"`. */
  readonly dtype?: "F32" | "F16" | "BF16";
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * A safetensors file with the tensors in the order of the map: header length as 8 little-endian
 * bytes, the JSON header padded with spaces to a multiple of 8, then the values without gaps.
 *
 * Narrower types round to nearest, ties to even.
 */
export function writeSafetensors(
  tensors: TensorMap,
  options: WriteSafetensorsOptions = {},
): Uint8Array<ArrayBuffer> {
  const dtype = options.dtype ?? "F32";
  const width = dtype === "F32" ? 4 : 2;
  const header: Record<string, unknown> = {};
  if (options.metadata !== undefined) header["__metadata__"] = options.metadata;
  let size = 0;
  for (const [name, { shape, data }] of tensors) {
    const end = size + data.length * width;
    header[name] = { dtype, shape, data_offsets: [size, end] };
    size = end;
  }

  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded + size);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(padded), true);
  bytes.fill(0x20, 8, 8 + padded);
  bytes.set(json, 8);

  let at = 8 + padded;
  for (const { data } of tensors.values()) {
    for (const value of data) {
      if (dtype === "F32") view.setFloat32(at, value, true);
      else view.setUint16(at, dtype === "BF16" ? bfloat16Bits(value) : float16Bits(value), true);
      at += width;
    }
  }
  return bytes;
}

/** A copy of the tensors with the values that a bfloat16 file would give back. */
export function roundToBfloat16(tensors: TensorMap): TensorMap {
  const rounded: TensorMap = new Map();
  for (const [name, { shape, data }] of tensors) {
    const copy = data.map((value) => {
      word.setUint32(0, bfloat16Bits(value) << 16);
      return word.getFloat32(0);
    });
    rounded.set(name, { shape: [...shape], data: copy });
  }
  return rounded;
}

const word = new DataView(new ArrayBuffer(4));

/** The upper half of the float32 bits, rounded to nearest, ties to even; NaN stays NaN. */
function bfloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  word.setFloat32(0, value);
  const bits = word.getUint32(0);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** IEEE half-precision bits, rounded to nearest, ties to even; too large becomes infinite. */
function float16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // 65520 lies halfway between the largest finite value and the next step, and rounds away.
  if (size >= 65520) return sign | 0x7c00;
  // In units of the last place the value is at most 2048; a carry moves to the next exponent.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const scaled = roundHalfEven(size / 2 ** (exponent - 10));
  return sign | (scaled + ((exponent + 14) << 10));
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
