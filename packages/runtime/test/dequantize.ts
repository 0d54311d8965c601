import type { QuantizedMatrix } from "../src/weights/quantize-blocks.ts";

/** The weights that `MatMulNBits` multiplies with. */
export function dequantize(
  { blob, scales }: QuantizedMatrix,
  rows: number,
  cols: number,
  bits: 4 | 8,
  blockSize: number,
): Float32Array {
  const blocks = Math.ceil(cols / blockSize);
  return Float32Array.from({ length: rows * cols }, (_, i) => {
    const [row, col] = [Math.floor(i / cols), i % cols];
    const block = row * blocks + Math.floor(col / blockSize);
    const at = block * blockSize + (col % blockSize);
    if (bits === 8) return (blob[at]! - 128) * scales[block]!;
    const byte = blob[at >> 1]!;
    return ((at % 2 === 0 ? byte & 15 : byte >> 4) - 8) * scales[block]!;
  });
}
