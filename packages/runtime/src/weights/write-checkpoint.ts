import { InferenceError } from "@frugal/core";

import { wholeModel } from "../architectures/model-part.ts";
import { otherTensors, type Projection } from "../architectures/projections.ts";
import type { ModelConfig } from "../load/model-config.ts";
import type { QuantizedMatrix } from "./quantize-blocks.ts";
import { requireWeight, type Weight, type WeightMap } from "./weight-map.ts";
import { type PlannedTensor, safetensorsPrefix } from "./write-safetensors.ts";

/** A linear weight that is written in blocks, `[rows, cols]`. */
export interface BlockTensor {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly bits: 4 | 8;
  /** Every block has a zero point of its own. */
  readonly zeros: boolean;
  /** Makes the blocks; called in the order of the file. */
  readonly encode: () => Promise<QuantizedMatrix>;
}

/** A tensor that is written as it is. */
export interface WholeTensor {
  readonly name: string;
  readonly dtype: "F32" | "F16" | "BF16";
  readonly shape: readonly number[];
  /** Its bytes; called in the order of the file. */
  readonly bytes: () => Promise<Uint8Array>;
}

/** Where a checkpoint is read from and written to. */
export interface CheckpointStreams {
  /** Bytes of a weight. */
  readonly read: (weight: Weight) => Promise<Uint8Array>;
  /** Appends to the file; called in order. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Called with the fraction done, in `[0, 1]`. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/**
 * Writes a checkpoint with linear weights in blocks as one safetensors file: for a weight `X` the
 * tensors `X.quantized` (U8, layout of `MatMulNBits`), `X.scales` (F32) and perhaps `X.zeros` (U8);
 * `whole` before them. Those of a group lie side by side, so that the graph can join their products.
 * Memory is that of the largest tensor, and of the scales of a group.
 */
export async function writeCheckpoint(
  groups: readonly (readonly BlockTensor[])[],
  whole: readonly WholeTensor[],
  blockSize: number,
  { write, onProgress }: Pick<CheckpointStreams, "write" | "onProgress">,
): Promise<void> {
  const planned = [
    ...whole.map(({ name, dtype, shape }) => plan(name, dtype, shape)),
    ...groups.flatMap((group) => planGroup(group, blockSize)),
  ];
  const metadata = groups.length > 0 ? { "frugal.block_size": String(blockSize) } : {};
  await write(safetensorsPrefix(planned, metadata));
  let done = 0;
  const total = whole.length + groups.flat().length;
  for (const { bytes } of whole) {
    await write(await bytes());
    onProgress?.(++done / total);
  }
  for (const group of groups) {
    const scales: Uint8Array[] = [];
    const zeros: Uint8Array[] = [];
    for (const { encode } of group) {
      const matrix = await encode();
      await write(matrix.blob);
      scales.push(new Uint8Array(matrix.scales.buffer));
      if (matrix.zeros !== undefined) zeros.push(matrix.zeros);
      onProgress?.(++done / total);
    }
    for (const bytes of [...scales, ...zeros]) await write(bytes);
  }
}

/** All bytes of a weight. @throws {@link InferenceError} `format` if some are missing. */
export async function readWhole(
  read: CheckpointStreams["read"],
  name: string,
  weight: Weight,
): Promise<Uint8Array> {
  const bytes = await read(weight);
  if (bytes.length === weight.length) return bytes;
  throw new InferenceError(
    "format",
    `${name}: expected ${weight.length} bytes in ${weight.location}, got ${bytes.length}`,
  );
}

/** What a decoder has besides its projections, and perhaps some of these, as it is stored. */
export function storedTensors(
  config: ModelConfig,
  weights: WeightMap,
  projections: readonly Projection[],
  read: CheckpointStreams["read"],
): readonly WholeTensor[] {
  const shapes = new Map(otherTensors(config, wholeModel(config)));
  for (const { name, outputs, inputs } of projections) {
    shapes.set(`${name}.weight`, [outputs, inputs]);
  }
  return [...shapes].map(([name, shape]) => {
    const weight = requireWeight(weights, name, shape);
    const dtype = floatType(name, weight.dtype);
    return { name, dtype, shape, bytes: () => readWhole(read, name, weight) };
  });
}

function planGroup(group: readonly BlockTensor[], blockSize: number): PlannedTensor[] {
  const blocksOf = (cols: number): number => Math.ceil(cols / blockSize);
  return [
    ...group.map(({ name, rows, cols, bits }) =>
      plan(`${name}.quantized`, "U8", [rows, blocksOf(cols), (blockSize * bits) / 8]),
    ),
    ...group.map(({ name, rows, cols }) => plan(`${name}.scales`, "F32", [rows, blocksOf(cols)])),
    ...group
      .filter(({ zeros }) => zeros)
      .map(({ name, rows, cols, bits }) =>
        plan(`${name}.zeros`, "U8", [rows, Math.ceil((blocksOf(cols) * bits) / 8)]),
      ),
  ];
}

function plan(
  name: string,
  dtype: PlannedTensor["dtype"],
  shape: readonly number[],
): PlannedTensor {
  const size = { F32: 4, F16: 2, BF16: 2, U8: 1 }[dtype];
  return { name, dtype, shape, length: shape.reduce((product, dim) => product * dim, size) };
}

/** @throws {@link InferenceError} `unsupported` for another type than these. */
export function floatType(name: string, dtype: string): "F32" | "F16" | "BF16" {
  if (dtype === "F32" || dtype === "F16" || dtype === "BF16") return dtype;
  throw new InferenceError("unsupported", `${name}: weights of type ${dtype}`);
}
