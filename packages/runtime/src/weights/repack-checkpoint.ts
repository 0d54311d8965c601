import { InferenceError } from "@frugal/core";

import { headProjection, type Projection } from "../architectures/projections.ts";
import type { ModelConfig } from "../load/model-config.ts";
import type { Packing } from "../load/packing-config.ts";
import type { QuantizedMatrix } from "./quantize-blocks.ts";
import { projectionGroups, toFloat32 } from "./quantize-checkpoint.ts";
import { unpackGroups } from "./unpack-groups.ts";
import { requireWeight, type WeightMap } from "./weight-map.ts";
import {
  type BlockTensor,
  type CheckpointStreams,
  readWhole,
  storedTensors,
  writeCheckpoint,
} from "./write-checkpoint.ts";

/**
 * Writes a checkpoint of GPTQ or AWQ in the layout of `MatMulNBits` as one safetensors file, see
 * {@link writeCheckpoint}: the same numbers in another order. The head stays as it is.
 *
 * @throws {@link InferenceError} `format` or `shape` for tensors that are missing or do not fit;
 *   `unsupported` for inputs in another order than that of the groups (`desc_act`), naming the
 *   tensor.
 */
export async function repackCheckpoint(
  config: ModelConfig,
  weights: WeightMap,
  packing: Packing,
  streams: CheckpointStreams,
): Promise<void> {
  const groups = Array.from({ length: config.layers }, (_, layer) =>
    projectionGroups(config, layer).map((group) =>
      group.map((projection) => block(weights, projection, packing, streams.read)),
    ),
  ).flat();
  const heads = config.tieWordEmbeddings ? [] : [headProjection(config)];
  const whole = storedTensors(config, weights, heads, streams.read);
  await writeCheckpoint(groups, whole, packing.groupSize, streams);
}

function block(
  weights: WeightMap,
  projection: Projection,
  packing: Packing,
  read: CheckpointStreams["read"],
): BlockTensor {
  const { name, outputs: rows, inputs: cols } = projection;
  const { format, bits, groupSize } = packing;
  const perWord = 32 / bits;
  if (cols % groupSize !== 0 || rows % perWord !== 0 || cols % perWord !== 0) {
    throw new InferenceError(
      "unsupported",
      `${name}: expected inputs in groups of ${groupSize} and outputs in words of ${perWord}, ` +
        `got ${cols} and ${rows}`,
    );
  }
  const groups = cols / groupSize;
  const bytesOf = (part: string, shape: readonly number[], dtypes: readonly string[]) => {
    const full = `${name}.${part}`;
    const weight = requireWeight(weights, full, shape);
    if (dtypes.includes(weight.dtype))
      return { full, weight, bytes: readWhole(read, full, weight) };
    const expected = dtypes.join(" or ");
    throw new InferenceError("format", `${full}: expected ${expected}, got ${weight.dtype}`);
  };
  const wordsOf = async (part: string, shape: readonly number[]): Promise<Uint32Array> => {
    const bytes = (await bytesOf(part, shape, ["I32"]).bytes).slice();
    return new Uint32Array(bytes.buffer);
  };
  const encode = async (): Promise<QuantizedMatrix> => {
    await checkOrder(weights, name, cols, groupSize, wordsOf);
    const shape = format === "awq" ? [cols, rows / perWord] : [cols / perWord, rows];
    const qweight = await wordsOf("qweight", shape);
    const qzeros = await wordsOf("qzeros", [groups, rows / perWord]);
    const scales = bytesOf("scales", [groups, rows], ["F16", "BF16", "F32"]);
    const values = toFloat32(scales.full, scales.weight, await scales.bytes);
    return unpackGroups({ qweight, qzeros, scales: values }, rows, cols, packing);
  };
  return { name: `${name}.weight`, rows, cols, bits, zeros: true, encode };
}

/** `g_idx` names the group of every input: neighbours must share one, or blocks cannot hold them. */
async function checkOrder(
  weights: WeightMap,
  name: string,
  cols: number,
  groupSize: number,
  wordsOf: (part: string, shape: readonly number[]) => Promise<Uint32Array>,
): Promise<void> {
  if (!weights.has(`${name}.g_idx`)) return;
  const groups = await wordsOf("g_idx", [cols]);
  const at = groups.findIndex((group, col) => group !== Math.floor(col / groupSize));
  if (at < 0) return;
  throw new InferenceError(
    "unsupported",
    `${name}.g_idx: expected groups of neighbouring inputs, got input ${at} in group ` +
      `${groups[at]} (quantized with desc_act)`,
  );
}
