import { flag, type Json, oneOf } from "../../load/json-fields.ts";
import { activationOf } from "../vision/vision-layout.ts";
import type { Projector } from "../../load/vision-config.ts";
import { type Composition, type Encoder, hiddenStates } from "./composition.ts";

/**
 * LLaVA: rows of an inner layer of CLIP or SigLIP through an MLP of two layers. The decoder is Llama,
 * Mistral, Qwen2 or any other; published configurations state only where it differs from a default.
 *
 * @see Liu et al., arXiv:2310.03744; huggingface/transformers: models/llava
 */
export const llava: Composition = {
  text: "llama",
  vision: "clip_vision_model",
  textDefaults: {
    llama: {
      vocab_size: 32_000,
      hidden_size: 4096,
      intermediate_size: 11_008,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      max_position_embeddings: 2048,
    },
    mistral: {
      vocab_size: 32_000,
      hidden_size: 4096,
      intermediate_size: 14_336,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      max_position_embeddings: 131_072,
    },
    qwen2: {
      vocab_size: 151_936,
      hidden_size: 4096,
      intermediate_size: 22_016,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      max_position_embeddings: 32_768,
    },
  },
  projector: mlp,
};

/**
 * LLaVA-NeXT: LLaVA whose images are cut into tiles, put together again with a learned newline behind
 * every row: `packTiles` of `@frugal/vision-tokens`.
 *
 * @see huggingface/transformers: models/llava_next
 */
export const llavaNext: Composition = {
  ...llava,
  projector: (json, vision, outputs) => ({
    ...mlp(json, vision, outputs),
    newline: "image_newline",
  }),
};

/**
 * LLaVA-OneVision: LLaVA-NeXT over all rows of SigLIP's last layer, with Qwen2.
 *
 * @see Li et al., arXiv:2408.03326; huggingface/transformers: models/llava_onevision
 */
export const llavaOneVision: Composition = {
  ...llavaNext,
  text: "qwen2",
  vision: "siglip_vision_model",
  projector: (json, vision, outputs) =>
    llavaNext.projector(
      { vision_feature_layer: -1, vision_feature_select_strategy: "full", ...json },
      vision,
      outputs,
    ),
};

function mlp(json: Json, vision: Encoder, outputs: number): Projector {
  return {
    reads: hiddenStates("vision_feature_layer", json["vision_feature_layer"] ?? -2, vision.layers),
    patchesOnly: selectsPatches(json),
    join: null,
    linears: [
      { name: "multi_modal_projector.linear_1", outputs },
      { name: "multi_modal_projector.linear_2", outputs },
    ],
    activation: activationOf(json, "projector_hidden_act", "gelu"),
    bias: flag(json, "multimodal_projector_bias", true),
    newline: null,
  };
}

/** `default` leaves the first row out, whatever it is; `full` takes all. */
function selectsPatches(json: Json): boolean {
  const field = "vision_feature_select_strategy";
  return oneOf(json, field, ["default", "full"], "default") === "default";
}
