import { InferenceError } from "@frugal/core";

import { wholeModel } from "../architectures/model-part.ts";
import { otherTensors } from "../architectures/projections.ts";
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
 * `whole` and what else the model needs as it was. Those of a group lie side by side, so that the
 * graph can join their products. Memory is that of the largest group.
 */
export async function writeCheckpoint(
  config: ModelConfig,
  weights: WeightMap,
  groups: readonly (readonly BlockTensor[])[],
  whole: ReadonlyMap<string, readonly number[]>,
  blockSize: number,
  { read, write, onProgress }: CheckpointStreams,
): Promise<void> {
  const kept = [...otherTensors(config, wholeModel(config)), ...whole].map(
    ([name, shape]) => [name, requireWeight(weights, name, shape)] as const,
  );
  const planned = [
    ...kept.map(([name, weight]) => planWhole(name, weight)),
    ...groups.flatMap((group) => planGroup(group, blockSize)),
  ];
  await write(safetensorsPrefix(planned, { "frugal.block_size": String(blockSize) }));
  let done = 0;
  const total = kept.length + groups.flat().length;
  for (const [name, weight] of kept) {
    await write(await readWhole(read, name, weight));
    onProgress?.(++done / total);
  }
  for (const group of groups) {
    const matrices: QuantizedMatrix[] = [];
    for (const { encode } of group) {
      const matrix = await encode();
      await write(matrix.blob);
      matrices.push(matrix);
      onProgress?.(++done / total);
    }
    for (const { scales } of matrices) await write(new Uint8Array(scales.buffer));
    for (const { zeros } of matrices) if (zeros !== undefined) await write(zeros);
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

function planWhole(name: string, { dtype, shape, length }: Weight): PlannedTensor {
  return { name, dtype: floatType(name, dtype), shape, length };
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

function plan(name: string, dtype: "U8" | "F32", shape: readonly number[]): PlannedTensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return { name, dtype, shape, length: dtype === "F32" ? 4 * size : size };
}

/** @throws {@link InferenceError} `unsupported` for another type than these. */
export function floatType(name: string, dtype: string): "F32" | "F16" | "BF16" {
  if (dtype === "F32" || dtype === "F16" || dtype === "BF16") return dtype;
  throw new InferenceError("unsupported", `${name}: weights of type ${dtype}`);
}
