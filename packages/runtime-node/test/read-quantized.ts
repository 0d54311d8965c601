import { type ReferenceConfig, type TensorMap, tensorShapes } from "@frugal/testkit";

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/**
 * The weights that a quantized file stands for, multiplied out. Written from the description of
 * `MatMulNBits`, apart from the code under test.
 */
export function readQuantized(file: Uint8Array, config: ReferenceConfig): TensorMap {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start))) as Record<
    string,
    Entry
  >;
  const notes = header["__metadata__"] as unknown as Record<string, string>;
  const blockSize = Number(notes["frugal.block_size"]);
  const tensors: TensorMap = new Map();
  for (const [name, shape] of tensorShapes({ ...config, tieWordEmbeddings: false })) {
    const read = header[name] === undefined ? multiplyOut : widen;
    tensors.set(name, { shape, data: read(name, shape) });
  }
  return tensors;

  function widen(name: string, shape: readonly number[]): Float32Array {
    const { dtype, data_offsets: offsets } = header[name]!;
    const from = start + offsets[0];
    const bits = new DataView(new ArrayBuffer(4));
    return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
      if (dtype === "F32") return view.getFloat32(from + 4 * i, true);
      bits.setUint32(0, view.getUint16(from + 2 * i, true) << 16);
      return bits.getFloat32(0);
    });
  }

  function multiplyOut(name: string, shape: readonly number[]): Float32Array {
    const [rows, cols] = shape as [number, number];
    const blob = header[`${name}.quantized`]!;
    const scales = start + header[`${name}.scales`]!.data_offsets[0];
    const from = start + blob.data_offsets[0];
    const [, blocks, bytes] = blob.shape as [number, number, number];
    const data = new Float32Array(rows * cols);
    const bits = (bytes * 8) / blockSize;
    for (let row = 0; row < rows; row++) {
      for (let col = 0; col < cols; col++) {
        const block = row * blocks + Math.floor(col / blockSize);
        const place = col % blockSize;
        const byte = file[from + block * bytes + (bits === 8 ? place : place >> 1)]!;
        const half = place % 2 === 0 ? byte & 15 : byte >> 4;
        const steps = bits === 8 ? byte - 128 : half - 8;
        data[row * cols + col] = steps * view.getFloat32(scales + 4 * block, true);
      }
    }
    return data;
  }
}
