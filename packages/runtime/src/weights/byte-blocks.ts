import type { Checkpoint } from "./checkpoint.ts";
import type { Weight } from "./weight-map.ts";

/** Columns that one product of {@link addByteBlocks} makes, so that its sums stay in a core's cache. */
export function byteColumns(blocks: number): number {
  return Math.max(1, Math.floor(65_536 / blocks));
}

/** A file in memory that a graph refers to. */
interface ByteFile {
  readonly path: string;
  readonly data: Uint8Array;
}

/** Name that a graph knows the bytes by. */
const location = "bytes.safetensors";

/**
 * Adds to a checkpoint in blocks of 4 or 8 bits the same weights as signed bytes, for engines that
 * have products of integers and none of blocks; see `graph/byte-product.ts`.
 *
 * `X.weight.bytes` I8 and `X.weight.byteScales` F32 hold, for {@link byteColumns} outputs after the
 * other, `[blocks, blockSize, outputs]` and `[blocks, 1, outputs]`: `w = byte * scale`, exactly the
 * weights of the blocks. Blocks of 8 bits with zero points of their own do not fit and stay alone.
 *
 * Cost: one pass; a byte a weight, and 4 / blockSize for the scales.
 *
 * @param read the bytes of a tensor
 * @returns the checkpoint, and the file that its new tensors lie in
 */
export function addByteBlocks(
  checkpoint: Checkpoint,
  read: (weight: Weight) => Uint8Array,
): { readonly checkpoint: Checkpoint; readonly file: ByteFile } {
  const suffix = ".weight.quantized";
  const blockSize = checkpoint.quantization!.blockSize;
  const chosen = [...checkpoint.weights].filter(([name, { shape }]) => {
    if (!name.endsWith(suffix)) return false;
    const zeros = checkpoint.weights.has(name.replace(/quantized$/, "zeros"));
    return !zeros || shape[2]! < blockSize;
  });
  const size = chosen.reduce((sum, [, { shape }]) => {
    const [outputs, blocks] = shape as [number, number];
    return sum + outputs * blocks * (blockSize + 4);
  }, 0);
  const data = new Uint8Array(size);
  const weights = new Map(checkpoint.weights);
  let end = 0;
  const place = (name: string, dtype: string, length: number): Uint8Array => {
    weights.set(name, {
      dtype,
      shape: [dtype === "I8" ? length : length / 4],
      location,
      offset: end,
      length,
    });
    end += length;
    return data.subarray(end - length, end);
  };
  // Scales first: a whole number of floats from where they begin.
  const scaled = chosen.map(([name, { shape }]) => {
    const stem = name.slice(0, -suffix.length);
    const [outputs, blocks] = shape as [number, number];
    const stored = read(checkpoint.weights.get(`${stem}.weight.scales`)!);
    const scales = new Float32Array(stored.slice().buffer);
    const bytes = place(`${stem}.weight.byteScales`, "F32", 4 * outputs * blocks);
    const turned = new Float32Array(bytes.buffer, bytes.byteOffset, outputs * blocks);
    eachColumn(outputs, blocks, (output, first, width) => {
      for (let block = 0; block < blocks; block++) {
        turned[first * blocks + block * width + output - first] = scales[output * blocks + block]!;
      }
    });
    return { name, stem, outputs, blocks };
  });
  for (const { name, stem, outputs, blocks } of scaled) {
    const weight = checkpoint.weights.get(name)!;
    const zeros = checkpoint.weights.get(`${stem}.weight.zeros`);
    const values = place(`${stem}.weight.bytes`, "I8", outputs * blocks * blockSize);
    turnValues(
      read(weight),
      zeros === undefined ? null : read(zeros),
      weight.shape,
      blockSize,
      values,
    );
  }
  return { checkpoint: { ...checkpoint, weights }, file: { path: location, data } };
}

/** Calls back for every output, with the first one and the number of those that it lies among. */
function eachColumn(
  outputs: number,
  blocks: number,
  visit: (output: number, first: number, width: number) => void,
): void {
  const columns = byteColumns(blocks);
  for (let output = 0; output < outputs; output++) {
    const first = output - (output % columns);
    visit(output, first, Math.min(columns, outputs - first));
  }
}

function turnValues(
  blob: Uint8Array,
  zeros: Uint8Array | null,
  shape: readonly number[],
  blockSize: number,
  values: Uint8Array,
): void {
  const [outputs, blocks, width] = shape as [number, number, number];
  const isWide = width === blockSize;
  const zeroBytes = Math.ceil(blocks / 2);
  eachColumn(outputs, blocks, (output, first, columns) => {
    let to = first * blocks * blockSize + output - first;
    let from = output * blocks * width;
    for (let block = 0; block < blocks; block++) {
      if (isWide) {
        for (let i = 0; i < blockSize; i++, to += columns) values[to] = blob[from++]! - 128;
        continue;
      }
      const pair = zeros === null ? 0x88 : zeros[output * zeroBytes + (block >> 1)]!;
      const zero = block % 2 === 0 ? pair & 15 : pair >> 4;
      for (let i = 0; i < blockSize; i += 2, to += 2 * columns) {
        const both = blob[from++]!;
        values[to] = (both & 15) - zero;
        values[to + columns] = (both >> 4) - zero;
      }
    }
  });
}
