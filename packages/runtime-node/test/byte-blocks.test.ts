import { seededRandom } from "@frugal/testkit";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";

import { GraphBuilder } from "../../runtime/src/graph/graph-builder.ts";
import { project } from "../../runtime/src/graph/linear.ts";
import { addByteBlocks, byteColumns } from "../../runtime/src/weights/byte-blocks.ts";
import { quantizeBlocks } from "../../runtime/src/weights/quantize-blocks.ts";

const random = seededRandom(11);
const numbers = (count: number): Float32Array =>
  Float32Array.from({ length: count }, () => random.next() * 2 - 1);

/** A matrix in blocks, in a file of its own, and the values that it stands for. */
function matrix(outputs: number, inputs: number, bits: 4 | 8, blockSize: number, zeros: boolean) {
  const { blob, scales } = quantizeBlocks(
    numbers(outputs * inputs),
    outputs,
    inputs,
    bits,
    blockSize,
  );
  const blocks = Math.ceil(inputs / blockSize);
  const width = (blockSize * bits) / 8;
  const zeroBytes = Uint8Array.from({ length: outputs * Math.ceil(blocks / 2) }, () =>
    random.below(256),
  );
  const file = new Uint8Array([...new Uint8Array(scales.buffer), ...blob, ...zeroBytes]);
  const place = (dtype: string, shape: readonly number[], offset: number, length: number) => ({
    dtype,
    shape,
    location: "blocks",
    offset,
    length,
  });
  const weights = new Map([
    ["x.weight.scales", place("F32", [outputs, blocks], 0, 4 * scales.length)],
    ["x.weight.quantized", place("U8", [outputs, blocks, width], 4 * scales.length, blob.length)],
  ]);
  if (zeros) {
    const offset = 4 * scales.length + blob.length;
    weights.set("x.weight.zeros", place("U8", [zeroBytes.length], offset, zeroBytes.length));
  }
  const value = (output: number, input: number): number => {
    const block = Math.floor(input / blockSize);
    const at = (output * blocks + block) * blockSize + (input % blockSize);
    const half = (bytes: Uint8Array, i: number) => (bytes[i >> 1]! >> (4 * (i % 2))) & 15;
    const usual = bits === 4 ? 8 : 128;
    const zero = zeros ? half(zeroBytes, output * 2 * Math.ceil(blocks / 2) + block) : usual;
    return ((bits === 4 ? half(blob, at) : blob[at]!) - zero) * scales[output * blocks + block]!;
  };
  const checkpoint = { weights, quantization: { blockSize, accuracyLevel: 4 as const } };
  return { checkpoint, file, value };
}

/** Rows rounded to 8 bits per block. */
function rounded(x: Float32Array, inputs: number, blockSize: number): number[] {
  return [...x].map((value, i) => {
    const row = Math.floor(i / inputs) * inputs;
    const from = row + Math.floor((i - row) / blockSize) * blockSize;
    const block = x.subarray(from, Math.min(from + blockSize, row + inputs));
    const step = Math.fround(Math.max(...[...block].map(Math.abs)) * Math.fround(1 / 127));
    return step === 0 ? 0 : Math.floor(value / step + 0.5) * step;
  });
}

describe("products of weights in bytes", () => {
  test.for([
    { name: "4 bits", bits: 4, inputs: 64, outputs: 48, blockSize: 32, rank: 3, zeros: false },
    { name: "8 bits", bits: 8, inputs: 64, outputs: 48, blockSize: 16, rank: 2, zeros: false },
    {
      name: "a block that is not full",
      bits: 4,
      inputs: 72,
      outputs: 5,
      blockSize: 32,
      rank: 3,
      zeros: false,
    },
    { name: "zero points", bits: 4, inputs: 96, outputs: 7, blockSize: 32, rank: 2, zeros: true },
    {
      name: "more columns than fit at once",
      bits: 8,
      inputs: 512,
      outputs: byteColumns(32) + 3,
      blockSize: 16,
      rank: 3,
      zeros: false,
    },
  ] as const)("are those of the blocks: $name", async (shape) => {
    const { bits, inputs, outputs, blockSize, rank, zeros } = shape;
    const { checkpoint, file, value } = matrix(outputs, inputs, bits, blockSize, zeros);
    const added = addByteBlocks(checkpoint, ({ offset, length }) =>
      file.subarray(offset, offset + length),
    );
    const graph = new GraphBuilder();
    const dims = rank === 3 ? [1, "s", inputs] : ["s", inputs];
    const x = graph.input("x", "float32", dims);
    const projection = { name: "x", inputs, outputs, bias: false };
    const [y] = project(graph, added.checkpoint, x, [projection], rank);
    graph.output("y", y!, "float32", rank === 3 ? [1, "s", outputs] : ["s", outputs]);
    const session = await ort.InferenceSession.create(graph.finish("bytes"), {
      externalData: [{ path: added.file.path, data: added.file.data }],
    });
    for (const rows of [3, 1, 0]) {
      const values = numbers(rows * inputs);
      // A block of zeros has no largest magnitude to divide by.
      if (rows > 0) values.fill(0, 0, blockSize);
      const lead = rank === 3 ? [1] : [];
      const feed = new ort.Tensor("float32", values, [...lead, rows, inputs]);
      const { y: result } = await session.run({ x: feed });
      expect(result!.dims).toEqual([...lead, rows, outputs]);
      const near = rounded(values, inputs, blockSize);
      const data = result!.data as Float32Array;
      for (let i = 0; i < data.length; i += rows === 1 ? 1 : 7) {
        const [row, output] = [Math.floor(i / outputs), i % outputs];
        let sum = 0;
        for (let k = 0; k < inputs; k++) sum += near[row * inputs + k]! * value(output, k);
        expect(Math.abs(data[i]! - sum)).toBeLessThan(1e-3);
      }
    }
    await session.release();
  });
});
