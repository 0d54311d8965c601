import { bfloat16ToFloat32, float16ToFloat32, InferenceError } from "@frugal/core";

import { headProjection, layerProjections, type Projection } from "../architectures/projections.ts";
import type { ModelConfig } from "../load/model-config.ts";
import { checkBlockSize, type QuantizedMatrix, quantizeBlocks } from "./quantize-blocks.ts";
import { requireWeight, type Weight, type WeightMap } from "./weight-map.ts";
import {
  type BlockTensor,
  type CheckpointStreams,
  floatType,
  readWhole,
  storedTensors,
  writeCheckpoint,
} from "./write-checkpoint.ts";

/** How to quantize the linear weights of a model. */
export interface QuantizeOptions {
  /** Bits per weight of the layers. */
  readonly bits: 4 | 8;
  /** Bits per weight of the head, default 8: its errors go straight into the logits. */
  readonly headBits?: 4 | 8;
  /** Weights that share a scale, default 32. */
  readonly blockSize?: number;
  /**
   * Mean squares of the inputs of projections by name, as {@link measureImportance} gives them:
   * 4-bit scales are searched for by them, and where a projection has none, by all inputs alike.
   * Absent: weights are rounded to the nearest.
   */
  readonly importance?: ReadonlyMap<string, Float32Array>;
}

/**
 * Writes a checkpoint with linear weights rounded to blocks of 4 or 8 bits as one safetensors file,
 * see {@link writeCheckpoint}. The head gets its own quantized copy also where it is tied to the
 * embeddings. Reads and writes one tensor at a time.
 *
 * @throws {@link InferenceError} `format` or `shape` for weights that do not fit the configuration
 *   or that `read` gives too few bytes of, `range` for weights that are not finite, naming the
 *   tensor; `range` for options that no kernel exists for.
 */
export async function quantizeCheckpoint(
  config: ModelConfig,
  weights: WeightMap,
  options: QuantizeOptions,
  read: CheckpointStreams["read"],
  write: CheckpointStreams["write"],
  onProgress?: CheckpointStreams["onProgress"],
): Promise<void> {
  const { bits, headBits = 8, blockSize = 32 } = options;
  checkBits("bits", bits);
  checkBits("headBits", headBits);
  checkBlockSize(blockSize);
  const block = (projection: Projection, width: 4 | 8): BlockTensor => {
    const name = `${projection.name}.weight`;
    const { outputs: rows, inputs: cols } = projection;
    const encode = async (): Promise<QuantizedMatrix> => {
      const values = await readMatrix(weights, projection, read);
      const counts = options.importance && (options.importance.get(projection.name) ?? alike(cols));
      return naming(name, () => quantizeBlocks(values, rows, cols, width, blockSize, counts));
    };
    return { name, rows, cols, bits: width, zeros: false, encode };
  };
  const groups: BlockTensor[][] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    for (const group of projectionGroups(config, layer)) {
      groups.push(group.map((projection) => block(projection, bits)));
    }
  }
  const head = block(headProjection(config), headBits);
  groups.push([{ ...head, name: `${config.names.head}.weight` }]);
  const whole = storedTensors(config, weights, [], read);
  await writeCheckpoint(groups, whole, blockSize, { write, onProgress });
}

/** All inputs count the same. */
function alike(cols: number): Float32Array {
  return new Float32Array(cols).fill(1);
}

function checkBits(name: string, bits: number): void {
  if (bits === 4 || bits === 8) return;
  throw new InferenceError("range", `${name}: expected 4 or 8, got ${bits}`);
}

/** Projections of a layer in the order of the graph; those of a group read the same input. */
export function projectionGroups(
  config: ModelConfig,
  layer: number,
): readonly (readonly Projection[])[] {
  const { qkv, attentionOutput, up, down } = layerProjections(config, layer);
  return [qkv, [attentionOutput], up, [down]];
}

/** A projection's weights `[outputs, inputs]` as float32. */
async function readMatrix(
  weights: WeightMap,
  { name, outputs, inputs, transposed }: Projection,
  read: CheckpointStreams["read"],
): Promise<Float32Array> {
  const source = `${name}.weight`;
  const weight = requireWeight(weights, source, transposed ? [inputs, outputs] : [outputs, inputs]);
  const values = toFloat32(source, weight, await readWhole(read, source, weight));
  return transposed ? transpose(values, inputs, outputs) : values;
}

/** Puts the name of the tensor before the message of an error. */
function naming<T>(name: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!InferenceError.is(error)) throw error;
    throw new InferenceError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}

function transpose(values: Float32Array, rows: number, cols: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) turned[col * rows + row] = values[row * cols + col]!;
  }
  return turned;
}

/** The values of a floating-point weight. */
export function toFloat32(name: string, weight: Weight, bytes: Uint8Array): Float32Array {
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
