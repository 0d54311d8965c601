import { InferenceError } from "@frugal/core";

import type { LayerRange, ReferenceConfig } from "./reference-config.ts";
import { tensorShapes, type ReferenceWeights } from "./reference-weights.ts";
import { RotaryTable } from "./rotary-table.ts";

/** `y = W x + b`, with `W` row-major `[outputs, inputs]`. */
export interface Linear {
  readonly weight: Float32Array;
  readonly bias: Float32Array | null;
  readonly outputs: number;
  readonly inputs: number;
}

/** The weights of one decoder layer. */
export interface Layer {
  readonly inputNorm: Float32Array;
  readonly postNorm: Float32Array;
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
}

/** A Llama model, its tensors found and their shapes checked. */
export interface Network {
  readonly config: ReferenceConfig;
  readonly embeddings: Float32Array;
  readonly layers: readonly Layer[];
  readonly finalNorm: Float32Array;
  readonly head: Linear;
  readonly rotary: RotaryTable;
  readonly parameters: number;
}

/**
 * Finds the tensors of a model by name, or of its layers in `[from, to)` with the final norm, the
 * head and, from layer 0 on, the embeddings.
 *
 * @throws {@link InferenceError} `format` for a missing tensor; `shape` for one of another shape.
 */
export function createNetwork(
  { config, tensors }: ReferenceWeights,
  [from, to]: LayerRange,
): Network {
  const shapes = new Map(tensorShapes(config).filter(([name]) => isUsed(name, config, from, to)));
  let parameters = 0;
  for (const [name, shape] of shapes) {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new InferenceError("format", `${name}: missing`);
    const size = shape.reduce((a, b) => a * b, 1);
    const [expected, actual] = [shape.join(", "), tensor.shape.join(", ")];
    if (actual !== expected || tensor.data.length !== size) {
      throw new InferenceError("shape", `${name}: expected [${expected}], got [${actual}]`);
    }
    parameters += size;
  }
  const data = (name: string): Float32Array => tensors.get(name)!.data;
  const linear = (name: string): Linear => {
    const [outputs, inputs] = shapes.get(`${name}.weight`) as [number, number];
    const bias = shapes.has(`${name}.bias`) ? data(`${name}.bias`) : null;
    return { weight: data(`${name}.weight`), bias, outputs, inputs };
  };
  const layers = Array.from({ length: to - from }, (_, i): Layer => {
    const layer = `model.layers.${from + i}`;
    return {
      inputNorm: data(`${layer}.input_layernorm.weight`),
      postNorm: data(`${layer}.post_attention_layernorm.weight`),
      q: linear(`${layer}.self_attn.q_proj`),
      k: linear(`${layer}.self_attn.k_proj`),
      v: linear(`${layer}.self_attn.v_proj`),
      o: linear(`${layer}.self_attn.o_proj`),
      gate: linear(`${layer}.mlp.gate_proj`),
      up: linear(`${layer}.mlp.up_proj`),
      down: linear(`${layer}.mlp.down_proj`),
    };
  });
  return {
    config,
    embeddings: from === 0 ? data("model.embed_tokens.weight") : new Float32Array(0),
    layers,
    finalNorm: data("model.norm.weight"),
    head: linear(config.tieWordEmbeddings ? "model.embed_tokens" : "lm_head"),
    rotary: new RotaryTable(config.ropeTheta, config.headDim),
    parameters,
  };
}

/** Whether layers `[from, to)` with norm and head need a tensor. */
function isUsed(name: string, config: ReferenceConfig, from: number, to: number): boolean {
  if (name === "model.embed_tokens.weight") return from === 0 || config.tieWordEmbeddings;
  const layer = /^model\.layers\.(\d+)\./.exec(name);
  return layer === null || (Number(layer[1]) >= from && Number(layer[1]) < to);
}
