import { philox } from "@frugal/core";

import { readSafetensors } from "./read-safetensors.ts";
import { parseLlamaConfig, type ReferenceConfig } from "./reference-config.ts";

/** Named tensors, row-major, under the names that Hugging Face uses. */
export type TensorMap = Map<string, { shape: number[]; data: Float32Array }>;

/** A model's shape and its tensors. */
export interface ReferenceWeights {
  readonly config: ReferenceConfig;
  readonly tensors: TensorMap;
}

/**
 * Names and shapes of every tensor of a Llama model, in the order of the file. Projections are
 * `[out, in]`.
 */
export function tensorShapes(config: ReferenceConfig): [name: string, shape: number[]][] {
  const { vocabSize, hiddenSize: d, intermediateSize: m, headDim } = config;
  const q = config.heads * headDim;
  const kv = config.kvHeads * headDim;
  const shapes: [string, number[]][] = [["model.embed_tokens.weight", [vocabSize, d]]];
  const linear = (name: string, out: number, input: number, bias = false): void => {
    shapes.push([`${name}.weight`, [out, input]]);
    if (bias) shapes.push([`${name}.bias`, [out]]);
  };
  for (let i = 0; i < config.layers; i++) {
    const layer = `model.layers.${i}`;
    linear(`${layer}.self_attn.q_proj`, q, d, config.attentionBias);
    linear(`${layer}.self_attn.k_proj`, kv, d, config.attentionBias);
    linear(`${layer}.self_attn.v_proj`, kv, d, config.attentionBias);
    linear(`${layer}.self_attn.o_proj`, d, q, config.attentionBias);
    linear(`${layer}.mlp.gate_proj`, m, d, config.mlpBias);
    linear(`${layer}.mlp.up_proj`, m, d, config.mlpBias);
    linear(`${layer}.mlp.down_proj`, d, m, config.mlpBias);
    shapes.push([`${layer}.input_layernorm.weight`, [d]]);
    shapes.push([`${layer}.post_attention_layernorm.weight`, [d]]);
  }
  shapes.push(["model.norm.weight", [d]]);
  if (!config.tieWordEmbeddings) linear("lm_head", vocabSize, d);
  return shapes;
}

/**
 * Random tensors that make every part of the model matter: projections keep the scale of their
 * input, norms differ from one, and the residual stream is not dominated by the embeddings.
 *
 * The same config and seed give the same bits on every engine.
 */
export function randomWeights(config: ReferenceConfig, seed: number): TensorMap {
  const random = philox(seed);
  const tensors: TensorMap = new Map();
  for (const [index, [name, shape]] of tensorShapes(config).entries()) {
    const isNorm = name.endsWith("norm.weight");
    const center = isNorm ? 1 : 0;
    const spread = isNorm || name.endsWith(".bias") ? 0.5 : spreadOf(name, shape[1]!);
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) {
      data[i] = center + spread * (2 * random.uniform(i, index) - 1);
    }
    tensors.set(name, { shape, data });
  }
  return tensors;
}

/** Half the width of the uniform law of a matrix; sqrt(3) of it makes the variance one. */
function spreadOf(name: string, inputs: number): number {
  if (name.endsWith("embed_tokens.weight")) return 0.5 * Math.sqrt(3);
  return 1.5 * Math.sqrt(3 / inputs);
}

/** Reads `config.json` and `model.safetensors` of a Llama model. */
export function loadReferenceWeights(
  configJson: string,
  modelSafetensors: Uint8Array,
): ReferenceWeights {
  return {
    config: parseLlamaConfig(configJson),
    tensors: readSafetensors(modelSafetensors).tensors,
  };
}
