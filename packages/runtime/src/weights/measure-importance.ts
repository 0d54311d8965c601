import type { LanguageModel, Matrix } from "@frugal/core";

import { headProjection, layerProjections } from "../architectures/projections.ts";
import type { ModelConfig } from "../load/model-config.ts";
import { toFloat32 } from "./quantize-checkpoint.ts";
import { requireWeight, type WeightMap } from "./weight-map.ts";
import { type CheckpointStreams, readWhole } from "./write-checkpoint.ts";

/**
 * Mean square of every input of the projections whose inputs taps show, by name: queries, keys and
 * values of models that normalize before the attention, and the head. For
 * {@link QuantizeOptions.importance}.
 *
 * `model` is the model to be quantized, or one like it, in any precision; `texts` should be of the
 * kind it will read, a few hundred tokens are enough. Cost: one pass per text.
 */
export async function measureImportance(
  model: LanguageModel,
  config: ModelConfig,
  weights: WeightMap,
  read: CheckpointStreams["read"],
  texts: readonly Uint32Array[],
): Promise<ReadonlyMap<string, Float32Array>> {
  const { names, hiddenSize, layers } = config;
  const before = names.layer.beforeAttention;
  const norms = Array.from({ length: layers }, (_, layer) =>
    before === null ? null : `${names.layers}.${layer}.${before}`,
  );
  const taps = Array.from({ length: layers + 1 }, (_, layer) => layer);
  const sums = taps.map(() => new Float64Array(hiddenSize));
  const scales: (Float32Array | null)[] = [];
  for (const name of [...norms, names.finalNorm]) {
    scales.push(name === null ? null : await normScale(config, weights, read, name));
  }
  let rows = 0;
  for (const tokens of texts) {
    const sequence = await model.createSequence();
    const output = await sequence.step({ tokens }, { logits: "none", taps });
    await sequence.dispose();
    rows += tokens.length;
    for (const [tap, states] of output.taps.entries()) {
      const scale = scales[tap]!;
      if (scale !== null) addSquares(states, scale, config, sums[tap]!);
    }
  }
  const means = sums.map((sum) => Float32Array.from(sum, (each) => each / Math.max(rows, 1)));
  const result = new Map<string, Float32Array>();
  for (let layer = 0; layer < layers; layer++) {
    if (before === null) break;
    for (const { name } of layerProjections(config, layer).qkv) result.set(name, means[layer]!);
  }
  if (names.finalNorm !== null) result.set(headProjection(config).name, means[layers]!);
  return result;
}

async function normScale(
  { hiddenSize, norm }: ModelConfig,
  weights: WeightMap,
  read: CheckpointStreams["read"],
  name: string,
): Promise<Float32Array> {
  const full = `${name}.weight`;
  const weight = requireWeight(weights, full, [hiddenSize]);
  const values = toFloat32(full, weight, await readWhole(read, full, weight));
  return norm.plusOne ? values.map((value) => value + 1) : values;
}

/** Adds the squares of the normalized rows. A layer norm's bias is left out. */
function addSquares(
  { data, rows, cols }: Matrix,
  scale: Float32Array,
  { norm }: ModelConfig,
  sums: Float64Array,
): void {
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * cols, (row + 1) * cols);
    const mean = norm.kind === "rms" ? 0 : values.reduce((sum, value) => sum + value, 0) / cols;
    const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / cols;
    for (let c = 0; c < cols; c++) {
      sums[c]! += ((values[c]! - mean) * scale[c]!) ** 2 / (square + norm.epsilon);
    }
  }
}
