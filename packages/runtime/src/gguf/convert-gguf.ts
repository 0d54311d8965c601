import { wholeModel } from "../architectures/model-part.ts";
import { headProjection, otherTensors, type Projection } from "../architectures/projections.ts";
import type { QuantizedMatrix } from "../weights/quantize-blocks.ts";
import { projectionGroups } from "../weights/quantize-checkpoint.ts";
import { requireWeight, type Weight } from "../weights/weight-map.ts";
import {
  type BlockTensor,
  type CheckpointStreams,
  readWhole,
  type WholeTensor,
  writeCheckpoint,
} from "../weights/write-checkpoint.ts";
import { dequantizeGguf, type GgufBlockType, repackGguf } from "./gguf-blocks.ts";
import type { GgufModel } from "./read-gguf.ts";

/** Weights that share a scale, in the types that kernels can read. */
const blockSize = 32;

/**
 * Writes the decoder of a GGUF file as one safetensors checkpoint, without rounding anything.
 *
 * Projections of the types `Q4_0` and `Q8_0` go to the layout of `MatMulNBits` (blocks of 32); all
 * other weights in blocks become float32, which for `Q4_K` and `Q6_K` is many times their size:
 * quantize the result with `quantizeCheckpoint` where that is too much. Rows of queries and keys that
 * llama.cpp has reordered for its rotary embedding are put back.
 *
 * @throws {@link InferenceError} `format` or `shape` for tensors that are missing or do not fit.
 * @see ggml-org/llama.cpp: convert_hf_to_gguf.py, `LlamaModel.permute`
 */
export async function convertGguf(model: GgufModel, streams: CheckpointStreams): Promise<void> {
  const { config } = model;
  const groups: BlockTensor[][] = [];
  const whole: WholeTensor[] = [];
  for (const [name, shape] of otherTensors(config, wholeModel(config))) {
    whole.push(floats(model, name, shape, streams.read));
  }
  const add = (projections: readonly Projection[]): void => {
    const blocks = projections.map((projection) => blockOf(model, projection, streams.read));
    if (blocks.every((block) => block !== null)) groups.push(blocks);
    else for (const each of projections) whole.push(floatsOf(model, each, streams.read));
  };
  for (let layer = 0; layer < config.layers; layer++) projectionGroups(config, layer).forEach(add);
  const head = headProjection(config);
  const block = blockOf(model, head, streams.read);
  if (block !== null) groups.push([{ ...block, name: `${config.names.head}.weight` }]);
  else if (!config.tieWordEmbeddings) whole.push(floatsOf(model, head, streams.read));
  await writeCheckpoint(groups, whole, blockSize, streams);
}

/** The projection in blocks, or null where no kernel reads its type. */
function blockOf(
  model: GgufModel,
  { name: module, outputs: rows, inputs: cols }: Projection,
  read: CheckpointStreams["read"],
): BlockTensor | null {
  const name = `${module}.weight`;
  const weight = requireWeight(model.weights, name, [rows, cols]);
  const { dtype } = weight;
  if (dtype !== "Q4_0" && dtype !== "Q8_0") return null;
  const encode = async (): Promise<QuantizedMatrix> =>
    repackGguf(dtype, await rowsOf(model, name, weight, read));
  return { name, rows, cols, bits: dtype === "Q4_0" ? 4 : 8, zeros: false, encode };
}

function floatsOf(
  model: GgufModel,
  { name, outputs, inputs }: Projection,
  read: CheckpointStreams["read"],
): WholeTensor {
  return floats(model, `${name}.weight`, [outputs, inputs], read);
}

/** A tensor as it is where it is floating-point, multiplied out where it is not. */
function floats(
  model: GgufModel,
  name: string,
  shape: readonly number[],
  read: CheckpointStreams["read"],
): WholeTensor {
  const weight = requireWeight(model.weights, name, shape);
  const { dtype } = weight;
  if (dtype === "F32" || dtype === "F16" || dtype === "BF16") {
    return { name, dtype, shape, bytes: () => rowsOf(model, name, weight, read) };
  }
  const bytes = async (): Promise<Uint8Array> => {
    const blocks = await rowsOf(model, name, weight, read);
    return new Uint8Array(dequantizeGguf(dtype as GgufBlockType, blocks).buffer);
  };
  return { name, dtype: "F32", shape, bytes };
}

/**
 * A weight's bytes with its rows in the order of transformers. llama.cpp pairs neighbouring rows of a
 * head where transformers pairs its halves.
 */
async function rowsOf(
  { config, interleaved }: GgufModel,
  name: string,
  weight: Weight,
  read: CheckpointStreams["read"],
): Promise<Uint8Array> {
  const bytes = await readWhole(read, name, weight);
  if (!interleaved.has(name)) return bytes;
  const rows = weight.shape[0]!;
  const width = bytes.length / rows;
  const half = config.headDim / 2;
  const ordered = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) {
    const place = row % config.headDim;
    const source = row - place + (place < half ? 2 * place : 2 * (place - half) + 1);
    ordered.set(bytes.subarray(source * width, (source + 1) * width), row * width);
  }
  return ordered;
}
