import { InferenceError } from "@frugal/core";

import { count, type Json, oneOf, positive } from "../../load/json-fields.ts";
import type { Activation } from "../../load/model-config.ts";
import type { VisionConfig, VisionNames } from "../../load/vision-config.ts";

/** Reads the configuration of one family of vision encoders; `architecture` is filled in. */
export type VisionArchitecture = (json: Json) => Omit<VisionConfig, "architecture">;

/** Names of the tensors in CLIP's checkpoints, which SigLIP keeps. */
export const clipNames: VisionNames = {
  patches: "embeddings.patch_embedding",
  classToken: "embeddings.class_embedding",
  positions: "embeddings.position_embedding.weight",
  entryNorm: "pre_layrnorm",
  layers: "encoder.layers",
  layer: {
    beforeAttention: "layer_norm1",
    qkv: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    attentionOutput: "self_attn.out_proj",
    beforeMlp: "layer_norm2",
    up: "mlp.fc1",
    down: "mlp.fc2",
  },
  finalNorm: "post_layernorm",
};

/** What a family's configurations leave out. */
export interface VisionDefaults {
  readonly imageSize: number;
  readonly patchSize: number;
  readonly activation: string;
  readonly epsilon: number;
}

const activations: Readonly<Record<string, Activation>> = {
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
  quick_gelu: "quick-gelu",
};

/**
 * The fields that all vision encoders share. Sizes that are missing are those of the base models.
 *
 * @throws {@link InferenceError} `format` for a field of the wrong type or at odds with another;
 *   `unsupported` for another activation.
 */
export function visionLayout(
  json: Json,
  defaults: VisionDefaults,
): Omit<VisionConfig, "architecture" | "biases" | "pooling" | "names"> {
  const hiddenSize = count(json, "hidden_size", 768);
  const heads = count(json, "num_attention_heads", 12);
  const imageSize = count(json, "image_size", defaults.imageSize);
  const patchSize = count(json, "patch_size", defaults.patchSize);
  if (hiddenSize % heads !== 0) {
    throw wrong(`hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${heads}`);
  }
  if (patchSize > imageSize) {
    throw wrong(`patch_size ${patchSize} is larger than image_size ${imageSize}`);
  }
  const name = oneOf(json, "hidden_act", Object.keys(activations), defaults.activation);
  return {
    hiddenSize,
    intermediateSize: count(json, "intermediate_size", 3072),
    layers: count(json, "num_hidden_layers", 12),
    heads,
    channels: count(json, "num_channels", 3),
    imageSize,
    patchSize,
    activation: activations[name]!,
    epsilon: positive(json, "layer_norm_eps", defaults.epsilon),
  };
}

function wrong(message: string): InferenceError {
  return new InferenceError("format", `config.json: ${message}`);
}
