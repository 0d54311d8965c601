import { InferenceError } from "@frugal/core";

import { clipVision } from "../architectures/vision/clip.ts";
import { idefics3Vision } from "../architectures/vision/idefics3.ts";
import { qwen25Vision } from "../architectures/vision/qwen2-5-vl.ts";
import { qwen2Vision } from "../architectures/vision/qwen2-vl.ts";
import { siglipVision } from "../architectures/vision/siglip.ts";
import type { VisionArchitecture } from "../architectures/vision/vision-layout.ts";
import { vit } from "../architectures/vision/vit.ts";
import { composedFields } from "./composition.ts";
import { describeValue } from "./describe-value.ts";
import { type Json, object } from "./json-fields.ts";
import type { Activation, Norm } from "./model-config.ts";

/** Names of an encoder's modules, without `.weight` and `.bias`; of tables the whole name. */
export interface VisionNames {
  /** The convolution that embeds patches. */
  readonly patches: string;
  /** The row before those of the patches; null: there is none. */
  readonly classToken: string | null;
  /** The table of learned positions; null: there is none. */
  readonly positions: string | null;
  /** A norm of the embeddings, before the layers. */
  readonly entryNorm: string | null;
  /** Prefix of the layers, before their number. */
  readonly layers: string;
  readonly layer: {
    readonly beforeAttention: string;
    /** One projection each, or one for all three. */
    readonly qkv: readonly string[];
    readonly attentionOutput: string;
    readonly beforeMlp: string;
    /** Gate and up projections, or the only one of an MLP without a gate. */
    readonly up: readonly string[];
    readonly down: string;
  };
  readonly finalNorm: string;
}

/**
 * How an image becomes one row, where the checkpoint has the weights: the class token's last row is
 * projected, or a learned query attends to all rows and goes through an MLP.
 */
export type Pooling =
  | {
      readonly kind: "token";
      readonly projection: string;
      readonly outputs: number;
      readonly bias: boolean;
      readonly activation: "tanh" | null;
    }
  | { readonly kind: "attention"; readonly prefix: string };

/** Height and width. */
export type Size = readonly [height: number, width: number];

/**
 * What tells patches apart.
 *
 * - `"table"`: a learned row per cell of a grid, resampled where images have another one.
 * - `"fraction"`: a row of the table by how far down and right a patch lies within the part of the
 *   image that is no padding; attention leaves padding out.
 * - `"rotary"`: queries and keys turn by row and column, half of the channels each. Images are given as
 *   patches, `merge` x `merge` neighbours after one another. With `windows` patches attend to those of the
 *   same square only, `side` patches wide and high, but in some layers.
 */
export type PatchPositions =
  | { readonly kind: "table" | "fraction"; readonly grid: Size }
  | {
      readonly kind: "rotary";
      readonly theta: number;
      readonly merge: number;
      readonly windows: { readonly side: number; readonly except: readonly number[] } | null;
    };

/** What turns an encoder's rows into those of a decoder. */
export interface Projector {
  /** The rows it reads, side by side: hidden states by number, or those after the final norm. */
  readonly reads: readonly (number | "final")[];
  /** Leaves the class token's row out. */
  readonly patchesOnly: boolean;
  /** Joins `side` x `side` neighbours to one row, of a square grid or of patches in order of merging. */
  readonly join: { readonly side: number; readonly from: "grid" | "order" } | null;
  /** Linear layers with an activation between them; the last one has the width of the decoder's rows. */
  readonly linears: readonly { readonly name: string; readonly outputs: number }[];
  readonly activation: Activation;
  readonly bias: boolean;
  /** Name of a learned row that stands behind every row of a grid of tiles; null: there is none. */
  readonly newline: string | null;
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
  /** Of images in pixels; null where these are given as patches. */
  readonly imageSize: Size | null;
  readonly patchSize: Size;
  /** Frames that a patch spans. */
  readonly frames: number;
  readonly positions: PatchPositions;
  readonly activation: Activation;
  /** The MLP multiplies its activation with a second projection. */
  readonly gated: boolean;
  readonly norm: Norm;
  readonly biases: { readonly patches: boolean; readonly qkv: boolean };
  readonly pooling: Pooling | null;
  /** Of an encoder in a vision-language model. */
  readonly projector: Projector | null;
  readonly names: VisionNames;
}

const architectures: Readonly<Record<string, VisionArchitecture>> = {
  clip_vision_model: clipVision,
  idefics3_vision: idefics3Vision,
  qwen2_5_vl_vision: qwen25Vision,
  qwen2_vl_vision: qwen2Vision,
  siglip_vision_model: siglipVision,
  smolvlm_vision: idefics3Vision,
  vit,
};

/**
 * Reads the vision encoder of a Hugging Face `config.json`: of one that describes only it, or of a
 * larger model's field `vision_config`; of a vision-language model with its projector.
 *
 * @throws {@link InferenceError} `unsupported` for another architecture or activation; `format` for a
 *   field that is of the wrong type or at odds with another. Messages name the field and its value.
 */
export function parseVisionConfig(config: unknown): VisionConfig {
  const whole = object("config.json", config);
  const composed = composedFields(whole);
  const json = composed?.vision ?? visionFields(whole);
  const name = json["model_type"];
  if (typeof name !== "string" || !Object.hasOwn(architectures, name)) {
    const known = Object.keys(architectures).join(", ");
    throw new InferenceError(
      "unsupported",
      `config.json: model_type: expected one of ${known}, got ${describeValue(name)}`,
    );
  }
  const encoder = { architecture: name, ...architectures[name]!(json) };
  return { ...encoder, projector: composed?.projector(encoder) ?? null };
}

/** The encoder's own fields. The width of CLIP's projection is stated by the whole model. */
function visionFields(json: Json): Json {
  if ((json["vision_config"] ?? null) === null) return json;
  const fields = object("config.json: vision_config", json["vision_config"]);
  return { ...fields, projection_dim: json["projection_dim"] ?? fields["projection_dim"] };
}
