import type { Packing } from "../load/packing-config.ts";
import type { QuantizedMatrix } from "./quantize-blocks.ts";

/** The packed tensors of one linear weight with `cols` inputs and `rows` outputs. */
export interface PackedMatrix {
  /** GPTQ: `[cols * bits / 32, rows]`; AWQ: `[cols, rows / 8]`. */
  readonly qweight: Uint32Array;
  /** `[groups, rows * bits / 32]`. */
  readonly qzeros: Uint32Array;
  /** `[groups, rows]`. */
  readonly scales: Float32Array;
}

/** Place of each of eight neighbouring outputs in a word of AWQ. */
const awqPlaces = [0, 4, 1, 5, 2, 6, 3, 7];

/**
 * Brings weights packed by GPTQ or AWQ into the layout of `MatMulNBits`, value by value: nothing is
 * rounded. Both stand for `(q - zero) * scale` with scale and zero point per output and group of
 * inputs; they differ in what lies side by side in a word, neighbouring inputs (GPTQ) or eight
 * outputs in the order 0, 2, 4, 6, 1, 3, 5, 7 (AWQ).
 *
 * GPTQ's first format stores zero points minus one, wrapped to their bits.
 *
 * Unchecked: the buffers have the shapes above. Cost: O(rows cols).
 *
 * @see Frantar et al., arXiv:2210.17323 and ModelCloud/GPTQModel; Lin et al., arXiv:2306.00978 and
 *   casper-hansen/AutoAWQ
 */
export function unpackGroups(
  { qweight, qzeros, scales }: PackedMatrix,
  rows: number,
  cols: number,
  { format, bits, groupSize, zeroOffset }: Packing,
): QuantizedMatrix {
  const perWord = 32 / bits;
  const mask = 2 ** bits - 1;
  const groups = cols / groupSize;
  /** The value of output `row` in a line of words that holds all outputs. */
  const across = (words: Uint32Array, line: number, row: number): number => {
    const place = format === "awq" ? awqPlaces[row % 8]! : row % perWord;
    const word = words[line * (rows / perWord) + Math.floor(row / perWord)]!;
    return (word >>> (place * bits)) & mask;
  };
  const down = (col: number, row: number): number =>
    (qweight[Math.floor(col / perWord) * rows + row]! >>> ((col % perWord) * bits)) & mask;

  const blob = new Uint8Array((rows * cols * bits) / 8);
  const zeroBytes = Math.ceil((groups * bits) / 8);
  const zeros = new Uint8Array(rows * zeroBytes);
  const turned = new Float32Array(rows * groups);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) {
      const value = format === "awq" ? across(qweight, col, row) : down(col, row);
      put(blob, row * cols + col, value, bits);
    }
    for (let group = 0; group < groups; group++) {
      const zero = (across(qzeros, group, row) + zeroOffset) & mask;
      put(zeros, (row * zeroBytes * 8) / bits + group, zero, bits);
      turned[row * groups + group] = scales[group * rows + row]!;
    }
  }
  return { blob, scales: turned, zeros };
}

/** Writes the value at an index of an array of 4 or 8 bits, which holds zeros. */
function put(bytes: Uint8Array, index: number, value: number, bits: 4 | 8): void {
  if (bits === 8) bytes[index] = value;
  else bytes[index >> 1]! |= value << (index % 2 === 0 ? 0 : 4);
}
