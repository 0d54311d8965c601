import { bfloat16ToFloat32, float16ToFloat32, InferenceError } from "@frugal/core";

import { wholeModel } from "../architectures/model-part.ts";
import {
  headProjection,
  layerProjections,
  otherTensors,
  type Projection,
} from "../architectures/projections.ts";
import type { ModelConfig } from "../load/model-config.ts";
import { checkBlockSize, quantizeBlocks } from "./quantize-blocks.ts";
import { requireWeight, type Weight, type WeightMap } from "./weight-map.ts";
import { type PlannedTensor, safetensorsPrefix } from "./write-safetensors.ts";

/** How to quantize the linear weights of a model. */
export interface QuantizeOptions {
  /** Bits per weight of the layers. */
  readonly bits: 4 | 8;
  /** Bits per weight of the head, default 8: its errors go straight into the logits. */
  readonly headBits?: 4 | 8;
  /** Weights that share a scale, default 32. */
  readonly blockSize?: number;
}

/** A linear weight to be quantized. */
interface Job {
  readonly source: string;
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly bits: 4 | 8;
  /** The source is stored `[cols, rows]`. */
  readonly transposed: boolean;
}

/**
 * Writes a checkpoint with block-quantized linear weights as one self-contained safetensors file:
 * `X.quantized` (U8, layout of `MatMulNBits`) and `X.scales` (F32) in place of `X`, what else the
 * model needs as it was. The head gets its own quantized copy also where it is tied to the embeddings.
 *
 * Weights of one product lie side by side, so that the graph can join them. Reads and writes one
 * tensor at a time: memory is that of the largest.
 *
 * @param read bytes of a weight
 * @param write appends to the file; called in order
 * @param onProgress called with the fraction done, in `[0, 1]`
 * @throws {@link InferenceError} `format` or `shape` for weights that do not fit the configuration
 *   or that `read` gives too few bytes of, `range` for weights that are not finite, naming the
 *   tensor; `range` for options that no kernel exists for.
 */
export async function quantizeCheckpoint(
  config: ModelConfig,
  weights: WeightMap,
  options: QuantizeOptions,
  read: (weight: Weight) => Promise<Uint8Array>,
  write: (bytes: Uint8Array) => Promise<void>,
  onProgress?: (fraction: number) => void,
): Promise<void> {
  const { bits, headBits = 8, blockSize = 32 } = options;
  checkBits("bits", bits);
  checkBits("headBits", headBits);
  checkBlockSize(blockSize);
  const readWhole = async (name: string, weight: Weight): Promise<Uint8Array> => {
    const bytes = await read(weight);
    if (bytes.length === weight.length) return bytes;
    throw new InferenceError(
      "format",
      `${name}: expected ${weight.length} bytes in ${weight.location}, got ${bytes.length}`,
    );
  };
  const groups = linearWeights(config, bits, headBits);
  const jobs = groups.flat();
  const kept = [...otherTensors(config, wholeModel(config))].map(
    ([name, shape]) => [name, requireWeight(weights, name, shape)] as const,
  );
  const planned = [...kept.map(([name, weight]) => keep(name, weight)), ...plan(groups, blockSize)];
  await write(safetensorsPrefix(planned, { "frugal.block_size": String(blockSize) }));

  let done = 0;
  const total = kept.length + jobs.length;
  for (const [name, weight] of kept) {
    await write(await readWhole(name, weight));
    onProgress?.(++done / total);
  }
  for (const group of groups) {
    const scales: Uint8Array[] = [];
    for (const job of group) {
      const shape = job.transposed ? [job.cols, job.rows] : [job.rows, job.cols];
      const weight = requireWeight(weights, job.source, shape);
      const bytes = await readWhole(job.source, weight);
      const matrix = quantize(job, toFloat32(job.source, weight, bytes), blockSize);
      await write(matrix.blob);
      scales.push(new Uint8Array(matrix.scales.buffer));
      onProgress?.(++done / total);
    }
    for (const bytes of scales) await write(bytes);
  }
}

function checkBits(name: string, bits: number): void {
  if (bits === 4 || bits === 8) return;
  throw new InferenceError("range", `${name}: expected 4 or 8, got ${bits}`);
}

/** Linear weights in the order of the graph; those of a group read the same input. */
function linearWeights(config: ModelConfig, bits: 4 | 8, headBits: 4 | 8): Job[][] {
  const job = ({ name, outputs, inputs, transposed = false }: Projection): Job => {
    const source = `${name}.weight`;
    return { source, name: source, rows: outputs, cols: inputs, bits, transposed };
  };
  const groups: Job[][] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const { qkv, attentionOutput, up, down } = layerProjections(config, layer);
    groups.push(qkv.map(job), [job(attentionOutput)], up.map(job), [job(down)]);
  }
  const head = job(headProjection(config));
  groups.push([{ ...head, name: `${config.names.head}.weight`, bits: headBits }]);
  return groups;
}

function plan(groups: readonly Job[][], blockSize: number): PlannedTensor[] {
  return groups.flatMap((group) => [
    ...group.map(({ name, rows, cols, bits }): PlannedTensor => {
      const shape = [rows, Math.ceil(cols / blockSize), (blockSize * bits) / 8];
      const length = shape.reduce((product, n) => product * n, 1);
      return { name: `${name}.quantized`, dtype: "U8", shape, length };
    }),
    ...group.map(({ name, rows, cols }): PlannedTensor => {
      const shape = [rows, Math.ceil(cols / blockSize)];
      return { name: `${name}.scales`, dtype: "F32", shape, length: 4 * shape[0]! * shape[1]! };
    }),
  ]);
}

function keep(name: string, { dtype, shape, length }: Weight): PlannedTensor {
  return { name, dtype: floatType(name, dtype), shape, length };
}

function floatType(name: string, dtype: string): "F32" | "F16" | "BF16" {
  if (dtype === "F32" || dtype === "F16" || dtype === "BF16") return dtype;
  throw new InferenceError("unsupported", `${name}: weights of type ${dtype}`);
}

function quantize(job: Job, values: Float32Array, blockSize: number) {
  try {
    const rows = job.transposed ? transpose(values, job.cols, job.rows) : values;
    return quantizeBlocks(rows, job.rows, job.cols, job.bits, blockSize);
  } catch (error) {
    if (!InferenceError.is(error)) throw error;
    throw new InferenceError(error.code, `${job.source}: ${error.message}`, { cause: error });
  }
}

function transpose(values: Float32Array, rows: number, cols: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) turned[col * rows + row] = values[row * cols + col]!;
  }
  return turned;
}

function toFloat32(name: string, weight: Weight, bytes: Uint8Array): Float32Array {
  const type = floatType(name, weight.dtype);
  // The bytes may start anywhere in their buffer; typed arrays want alignment.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  if (type === "F32") {
    return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  }
  const half = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
  const values = new Float32Array(half.length);
  if (type === "BF16") bfloat16ToFloat32(half, values);
  else float16ToFloat32(half, values);
  return values;
}
