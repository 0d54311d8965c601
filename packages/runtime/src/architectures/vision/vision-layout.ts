import { InferenceError } from "@frugal/core";

import { describeValue } from "../../load/describe-value.ts";
import { count, type Json, oneOf, positive } from "../../load/json-fields.ts";
import type { Activation } from "../../load/model-config.ts";
import type { Size, VisionConfig, VisionNames } from "../../load/vision-config.ts";

/**
 * Reads the configuration of one family of vision encoders; `architecture` and `projector` are filled
 * in.
 */
export type VisionArchitecture = (json: Json) => Omit<VisionConfig, "architecture" | "projector">;

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
    up: ["mlp.fc1"],
    down: "mlp.fc2",
  },
  finalNorm: "post_layernorm",
};

/** The fields of {@link VisionConfig} that {@link visionLayout} reads. */
type VisionLayout = Omit<
  VisionConfig,
  "architecture" | "projector" | "biases" | "pooling" | "names" | "positions"
> & { readonly positions: { readonly kind: "table"; readonly grid: Size } };

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
  silu: "silu",
};

/** The activation that a field names. @throws {@link InferenceError} `unsupported` for another. */
export function activationOf(json: Json, field: string, fallback: string): Activation {
  return activations[oneOf(json, field, Object.keys(activations), fallback)]!;
}

/** Height and width, or one number for both. */
export function sizeOf(json: Json, field: string, fallback: number): Size {
  const value: unknown = json[field] ?? fallback;
  if (!Array.isArray(value)) return [count(json, field, fallback), count(json, field, fallback)];
  const [height, width] = value as unknown[];
  if (value.length === 2) return [count({ height }, "height"), count({ width }, "width")];
  throw wrong(`${field}: expected a number or [height, width], got ${describeValue(value)}`);
}

/** How many patches lie below and beside each other; a rest is cut off. */
export function gridOf(imageSize: Size, patchSize: Size): Size {
  return [Math.floor(imageSize[0] / patchSize[0]), Math.floor(imageSize[1] / patchSize[1])];
}

/**
 * The fields that all vision encoders share. Sizes that are missing are those of the base models.
 *
 * @throws {@link InferenceError} `format` for a field of the wrong type or at odds with another;
 *   `unsupported` for another activation.
 */
export function visionLayout(json: Json, defaults: VisionDefaults): VisionLayout {
  const hiddenSize = count(json, "hidden_size", 768);
  const heads = count(json, "num_attention_heads", 12);
  const imageSize = sizeOf(json, "image_size", defaults.imageSize);
  const patchSize = sizeOf(json, "patch_size", defaults.patchSize);
  if (hiddenSize % heads !== 0) {
    throw wrong(`hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${heads}`);
  }
  const grid = gridOf(imageSize, patchSize);
  if (grid.includes(0)) {
    throw wrong(
      `patch_size ${patchSize.join(" x ")} is larger than image_size ${imageSize.join(" x ")}`,
    );
  }
  return {
    hiddenSize,
    intermediateSize: count(json, "intermediate_size", 3072),
    layers: count(json, "num_hidden_layers", 12),
    heads,
    channels: count(json, "num_channels", 3),
    imageSize,
    patchSize,
    frames: 1,
    positions: { kind: "table", grid },
    activation: activationOf(json, "hidden_act", defaults.activation),
    gated: false,
    norm: {
      kind: "layer",
      epsilon: positive(json, "layer_norm_eps", defaults.epsilon),
      plusOne: false,
    },
  };
}

function wrong(message: string): InferenceError {
  return new InferenceError("format", `config.json: ${message}`);
}
