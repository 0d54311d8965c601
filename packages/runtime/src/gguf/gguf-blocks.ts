import { float16ToFloat32 } from "@frugal/core";

import type { QuantizedMatrix } from "../weights/quantize-blocks.ts";

/** A type of a GGUF file whose weights share numbers in blocks. */
export type GgufBlockType = "Q4_0" | "Q8_0" | "Q4_K" | "Q6_K";

/** Weights and bytes of a block. */
export const ggufBlocks: Readonly<
  Record<GgufBlockType, { readonly weights: number; readonly bytes: number }>
> = {
  Q4_0: { weights: 32, bytes: 18 },
  Q8_0: { weights: 32, bytes: 34 },
  Q4_K: { weights: 256, bytes: 144 },
  Q6_K: { weights: 256, bytes: 210 },
};

/**
 * The float32 values of whole blocks, rounded as the reference rounds: every product and sum to
 * float32. Unchecked: `bytes` are whole blocks.
 *
 * @see ggml-org/llama.cpp: ggml/src/ggml-quants.c, `dequantize_row_*`
 */
export function dequantizeGguf(type: GgufBlockType, bytes: Uint8Array): Float32Array {
  const { weights, bytes: size } = ggufBlocks[type];
  const blocks = bytes.length / size;
  const out = new Float32Array(blocks * weights);
  const read = { Q4_0: readQ4, Q8_0: readQ8, Q4_K: readQ4K, Q6_K: readQ6K }[type];
  for (let block = 0; block < blocks; block++) {
    const from = block * size;
    read(bytes.subarray(from, from + size), out.subarray(block * weights, (block + 1) * weights));
  }
  return out;
}

/**
 * Weights of the types `Q4_0` and `Q8_0` in the layout of `MatMulNBits`, which stands for the same
 * numbers: one scale for 32 weights and the zero points 8 and 128. Unchecked, as
 * {@link dequantizeGguf}.
 */
export function repackGguf(type: "Q4_0" | "Q8_0", bytes: Uint8Array): QuantizedMatrix {
  const { bytes: size } = ggufBlocks[type];
  const blocks = bytes.length / size;
  const width = size - 2;
  const blob = new Uint8Array(blocks * width);
  const scales = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const from = block * size;
    scales[block] = half(bytes, from);
    for (let i = 0; i < width; i++) {
      blob[block * width + i] =
        type === "Q8_0" ? bytes[from + 2 + i]! ^ 0x80 : pair(bytes, from + 2, 2 * i);
    }
  }
  return { blob, scales };
}

/** Weights `i` and `i + 1` of a block of `Q4_0`, whose halves lie in the halves of its bytes. */
function pair(bytes: Uint8Array, from: number, i: number): number {
  const shift = i < 16 ? 0 : 4;
  const value = (index: number): number => (bytes[from + (index % 16)]! >> shift) & 15;
  return value(i) | (value(i + 1) << 4);
}

function readQ4(bytes: Uint8Array, out: Float32Array): void {
  const scale = half(bytes, 0);
  for (let i = 0; i < 16; i++) {
    out[i] = ((bytes[2 + i]! & 15) - 8) * scale;
    out[i + 16] = ((bytes[2 + i]! >> 4) - 8) * scale;
  }
}

function readQ8(bytes: Uint8Array, out: Float32Array): void {
  const scale = half(bytes, 0);
  for (let i = 0; i < 32; i++) out[i] = signed(bytes[2 + i]!) * scale;
}

/** Eight groups of 32 with 6-bit scales and minima: `d * scale * q - dmin * minimum`. */
function readQ4K(bytes: Uint8Array, out: Float32Array): void {
  const scale = half(bytes, 0);
  const least = half(bytes, 2);
  for (let group = 0; group < 8; group++) {
    const [factor, minimum] = sixBits(bytes, 4, group);
    const step = Math.fround(scale * factor);
    const offset = Math.fround(least * minimum);
    const from = 16 + (group >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      const q = group % 2 === 0 ? bytes[from + i]! & 15 : bytes[from + i]! >> 4;
      out[group * 32 + i] = Math.fround(step * q) - offset;
    }
  }
}

/** Scale and minimum of a group, of 6 bits each, spread over 12 bytes. */
function sixBits(bytes: Uint8Array, from: number, group: number): readonly [number, number] {
  const at = (index: number): number => bytes[from + index]!;
  if (group < 4) return [at(group) & 63, at(group + 4) & 63];
  const high = (index: number): number => (at(index) >> 6) << 4;
  return [(at(group + 4) & 15) | high(group - 4), (at(group + 4) >> 4) | high(group)];
}

/** Sixteen groups of 16 with 8-bit scales: `d * scale * (q - 32)`. */
function readQ6K(bytes: Uint8Array, out: Float32Array): void {
  const scale = half(bytes, 208);
  for (let i = 0; i < 256; i++) {
    const [part, line, column] = [i >> 7, (i >> 5) & 3, i & 31];
    const low = bytes[part * 64 + (line % 2) * 32 + column]! >> (line < 2 ? 0 : 4);
    const high = bytes[128 + part * 32 + column]! >> (2 * line);
    const step = Math.fround(scale * signed(bytes[192 + (i >> 4)]!));
    out[i] = step * (((low & 15) | ((high & 3) << 4)) - 32);
  }
}

function signed(byte: number): number {
  return (byte << 24) >> 24;
}

function half(bytes: Uint8Array, at: number): number {
  const value = new Float32Array(1);
  float16ToFloat32(Uint16Array.of(bytes[at]! | (bytes[at + 1]! << 8)), value);
  return value[0]!;
}
