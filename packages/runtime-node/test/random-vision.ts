import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parseVisionConfig, type VisionConfig } from "@frugal/runtime";
import { seededRandom, type TensorMap, writeSafetensors } from "@frugal/testkit";

/** A ViT of 36 patches, random weights and no pooling, in a temporary folder. */
export interface RandomVision {
  readonly folder: string;
  readonly config: VisionConfig;
  readonly tensors: TensorMap;
  readonly remove: () => Promise<void>;
}

const json = {
  model_type: "vit",
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  image_size: 24,
  patch_size: 4,
};

/** @param change what to do to the weights before they are written, or to add to them */
export async function writeRandomVision(
  change: (tensors: TensorMap, add: (name: string, ...shape: number[]) => void) => void = () => {},
): Promise<RandomVision> {
  const tensors: TensorMap = new Map();
  const random = seededRandom(11);
  const normal = () =>
    Math.sqrt(-2 * Math.log(random.next())) * Math.cos(2 * Math.PI * random.next());
  const add = (name: string, ...shape: number[]) => {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const isNorm = /norm.*weight$|tsm\.\d\.weight\.0\.weight$/.test(name);
    const spread = shape.length === 2 ? 1.2 / Math.sqrt(shape[1]!) : 0.4;
    const data = Float32Array.from({ length: size }, () => (isNorm ? 1 : 0) + spread * normal());
    tensors.set(name, { shape, data });
  };
  const linear = (name: string, inputs: number, outputs: number) => {
    add(`${name}.weight`, outputs, inputs);
    add(`${name}.bias`, outputs);
  };
  const norm = (name: string) => {
    add(`${name}.weight`, 32);
    add(`${name}.bias`, 32);
  };
  add("embeddings.cls_token", 1, 1, 32);
  add("embeddings.position_embeddings", 1, 37, 32);
  add("embeddings.patch_embeddings.projection.weight", 32, 3, 4, 4);
  add("embeddings.patch_embeddings.projection.bias", 32);
  for (let layer = 0; layer < 4; layer++) {
    const prefix = `encoder.layer.${layer}`;
    norm(`${prefix}.layernorm_before`);
    for (const part of ["query", "key", "value"]) {
      linear(`${prefix}.attention.attention.${part}`, 32, 32);
    }
    linear(`${prefix}.attention.output.dense`, 32, 32);
    norm(`${prefix}.layernorm_after`);
    linear(`${prefix}.intermediate.dense`, 32, 48);
    linear(`${prefix}.output.dense`, 48, 32);
  }
  norm("layernorm");
  change(tensors, add);
  const folder = await mkdtemp(join(tmpdir(), "frugal-test-"));
  await writeFile(join(folder, "config.json"), JSON.stringify(json));
  await writeFile(join(folder, "model.safetensors"), writeSafetensors(tensors));
  return {
    folder,
    config: parseVisionConfig(json),
    tensors,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Pixels of `count` images of the random ViT. */
export function randomImages(count: number, seed = 5): { data: Float32Array; dims: number[] } {
  const random = seededRandom(seed);
  const data = Float32Array.from({ length: count * 3 * 24 * 24 }, () => 2 * random.next() - 1);
  return { data, dims: [count, 3, 24, 24] };
}
