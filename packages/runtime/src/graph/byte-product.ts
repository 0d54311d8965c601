import { InferenceError } from "@frugal/core";

import type { Projection } from "../architectures/projections.ts";
import { byteColumns } from "../weights/byte-blocks.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { GraphBuilder } from "./graph-builder.ts";

/** Rows in blocks of bytes: what products with weights of `addByteBlocks` read. */
export interface ByteRows {
  /** uint8 `[blocks, s, blockSize]`; 128 is zero. */
  readonly values: string;
  /** `[blocks, s, 1]`. */
  readonly scales: string;
  readonly zero: string;
}

/** Whether a projection's weights are there as bytes. */
export function hasBytes({ weights }: Checkpoint, { name }: Projection): boolean {
  return weights.has(`${name}.weight.bytes`);
}

/**
 * Rounds every block of every row of `x`, `[.., s, inputs]`, to 8 bits by its largest magnitude: what
 * `MatMulNBits` does at accuracy level 4. A row does not depend on the others.
 */
export function roundRows(
  graph: GraphBuilder,
  x: string,
  inputs: number,
  blockSize: number,
): ByteRows {
  const blocks = Math.ceil(inputs / blockSize);
  const missing = blocks * blockSize - inputs;
  const full =
    missing === 0 ? x : graph.node("Pad", [x, graph.ints([0, missing]), "", graph.ints([-1])]);
  const split = graph.node("Reshape", [full, graph.ints([-1, blocks, blockSize])]);
  const turned = graph.node("Transpose", [split], { perm: { ints: [1, 0, 2] } });
  const constant = (value: number): string =>
    graph.floats(`float:${value}`, Float32Array.of(value), []);
  const largest = graph.node("ReduceMax", [graph.node("Abs", [turned]), graph.ints([2])]);
  // Blocks of zeros have a scale too, so that nothing is divided by zero.
  const steps = graph.node("Mul", [largest, constant(1 / 127)]);
  const scales = graph.node("Max", [steps, constant(1e-30)]);
  const shifted = graph.node("Add", [graph.node("Div", [turned, scales]), constant(128.5)]);
  const values = graph.node("Cast", [shifted], { to: { int: 2 } });
  const zero = graph.node("Cast", [graph.ints([128], [])], { to: { int: 2 } });
  return { values, scales, zero };
}

/**
 * The product with weights in signed bytes, `[1, s, outputs]`, or without the 1 where `rank` is 2:
 * integer products within blocks, which are exact, scaled and summed over the blocks.
 *
 * Sums of `byteColumns` outputs are made at a time, `blocks` times as large as the result. ONNX
 * Runtime's WebAssembly has a fast product of integers; of `MatMulNBits` it has none, and unpacks all
 * weights at every step.
 */
export function byteProduct(
  graph: GraphBuilder,
  { weights, quantization }: Checkpoint,
  { values, scales, zero }: ByteRows,
  { name, inputs, outputs }: Projection,
  rank: 2 | 3,
): string {
  const { blockSize } = quantization!;
  const blocks = Math.ceil(inputs / blockSize);
  const bytes = weights.get(`${name}.weight.bytes`)!;
  const factors = weights.get(`${name}.weight.byteScales`)!;
  if (bytes.length !== outputs * blocks * blockSize) {
    const expected = `${outputs} x ${blocks} x ${blockSize}`;
    throw new InferenceError("shape", `${name}: expected ${expected} bytes, got ${bytes.length}`);
  }
  const parts: string[] = [];
  const columns = byteColumns(blocks);
  for (let from = 0; from < outputs; from += columns) {
    const width = Math.min(columns, outputs - from);
    const depth = from * blocks;
    const part = graph.external(`${name}.bytes.${from}`, "int8", [blocks, blockSize, width], {
      location: bytes.location,
      offset: bytes.offset + depth * blockSize,
      length: width * blocks * blockSize,
    });
    const factor = graph.external(`${name}.byteScales.${from}`, "float32", [blocks, 1, width], {
      location: factors.location,
      offset: factors.offset + 4 * depth,
      length: 4 * width * blocks,
    });
    const sums = graph.node("Cast", [graph.node("MatMulInteger", [values, part, zero])], {
      to: { int: 1 },
    });
    const scaled = graph.node("Mul", [graph.node("Mul", [sums, factor]), scales]);
    parts.push(graph.node("ReduceSum", [scaled, graph.ints([0])], { keepdims: { int: rank - 2 } }));
  }
  return parts.length === 1 ? parts[0]! : graph.node("Concat", parts, { axis: { int: -1 } });
}
