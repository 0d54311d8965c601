import { InferenceError } from "@frugal/core";

import { clipVision } from "../architectures/vision/clip.ts";
import { siglipVision } from "../architectures/vision/siglip.ts";
import type { VisionArchitecture } from "../architectures/vision/vision-layout.ts";
import { vit } from "../architectures/vision/vit.ts";
import { describeValue } from "./describe-value.ts";
import { type Json, object } from "./json-fields.ts";
import type { Activation } from "./model-config.ts";

/** Names of an encoder's modules, without `.weight` and `.bias`; of tables the whole name. */
export interface VisionNames {
  /** The convolution that embeds patches. */
  readonly patches: string;
  /** The row before those of the patches; null: there is none. */
  readonly classToken: string | null;
  readonly positions: string;
  /** A norm of the embeddings, before the layers. */
  readonly entryNorm: string | null;
  /** Prefix of the layers, before their number. */
  readonly layers: string;
  readonly layer: {
    readonly beforeAttention: string;
    readonly qkv: readonly string[];
    readonly attentionOutput: string;
    readonly beforeMlp: string;
    readonly up: string;
    readonly down: string;
  };
  readonly finalNorm: string;
}

/** What the class token's last row goes through, where the checkpoint has the projection. */
export interface Pooling {
  readonly projection: string;
  readonly outputs: number;
  readonly bias: boolean;
  readonly activation: "tanh" | null;
}

/**
 * What a graph needs to know of a vision encoder: plain data, as `ModelConfig` is of a decoder.
 *
 * Layers normalize before their sublayers; attention sees all rows and has biases.
 */
export interface VisionConfig {
  /** `model_type`. */
  readonly architecture: string;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly channels: number;
  /** Height and width of images, which are square. */
  readonly imageSize: number;
  readonly patchSize: number;
  readonly activation: Activation;
  readonly epsilon: number;
  readonly biases: { readonly patches: boolean; readonly qkv: boolean };
  readonly pooling: Pooling | null;
  readonly names: VisionNames;
}

const architectures: Readonly<Record<string, VisionArchitecture>> = {
  clip_vision_model: clipVision,
  siglip_vision_model: siglipVision,
  vit,
};

/**
 * Reads the vision encoder of a Hugging Face `config.json`: of one that describes only it, or of a
 * larger model's field `vision_config`.
 *
 * @throws {@link InferenceError} `unsupported` for another architecture or activation; `format` for a
 *   field that is of the wrong type or at odds with another. Messages name the field and its value.
 */
export function parseVisionConfig(config: unknown): VisionConfig {
  const json = visionFields(object("config.json", config));
  const name = json["model_type"];
  if (typeof name !== "string" || !Object.hasOwn(architectures, name)) {
    const known = Object.keys(architectures).join(", ");
    throw new InferenceError(
      "unsupported",
      `config.json: model_type: expected one of ${known}, got ${describeValue(name)}`,
    );
  }
  return { architecture: name, ...architectures[name]!(json) };
}

/** The encoder's own fields. The width of CLIP's projection is stated by the whole model. */
function visionFields(json: Json): Json {
  if ((json["vision_config"] ?? null) === null) return json;
  const fields = object("config.json: vision_config", json["vision_config"]);
  return { ...fields, projection_dim: json["projection_dim"] ?? fields["projection_dim"] };
}
