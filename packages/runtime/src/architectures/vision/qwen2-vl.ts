import { InferenceError } from "@frugal/core";

import { count, type Json, positive } from "../../load/json-fields.ts";
import type { VisionNames } from "../../load/vision-config.ts";
import { activationOf, sizeOf, type VisionArchitecture } from "./vision-layout.ts";

/** Names of the tensors of Qwen2-VL, most of which Qwen2.5-VL keeps. */
export const qwenNames: VisionNames = {
  patches: "patch_embed.proj",
  classToken: null,
  positions: null,
  entryNorm: null,
  layers: "blocks",
  layer: {
    beforeAttention: "norm1",
    qkv: ["attn.qkv"],
    attentionOutput: "attn.proj",
    beforeMlp: "norm2",
    up: ["mlp.fc1"],
    down: "mlp.fc2",
  },
  finalNorm: "merger.ln_q",
};

/**
 * The vision encoder of Qwen2-VL: patches that span two frames, images of any size, rotary embedding of
 * row and column, attention within a frame. The final norm is that of the merger behind it.
 *
 * @see Wang et al., arXiv:2409.12191; huggingface/transformers: models/qwen2_vl
 */
export const qwen2Vision: VisionArchitecture = (json) => {
  const hiddenSize = count(json, "embed_dim", 1280);
  const ratio = positive(json, "mlp_ratio", 4);
  return {
    hiddenSize,
    intermediateSize: Math.trunc(hiddenSize * ratio),
    layers: count(json, "depth", 32),
    heads: headsOf(json, hiddenSize),
    channels: count(json, "in_channels", count(json, "in_chans", 3)),
    imageSize: null,
    patchSize: sizeOf(json, "patch_size", 14),
    frames: count(json, "temporal_patch_size", 2),
    positions: {
      kind: "rotary",
      theta: thetaOf(json),
      merge: count(json, "spatial_merge_size", 2),
      windows: null,
    },
    activation: activationOf(json, "hidden_act", "quick_gelu"),
    gated: false,
    norm: { kind: "layer", epsilon: 1e-6, plusOne: false },
    biases: { patches: false, qkv: true },
    pooling: null,
    names: qwenNames,
  };
};

/** Heads of a width that splits into pairs of rows and of columns. */
export function headsOf(json: Json, hiddenSize: number): number {
  const heads = count(json, "num_heads", 16);
  if (hiddenSize % (4 * heads) === 0) return heads;
  throw new InferenceError(
    "format",
    `config.json: num_heads: expected heads of a multiple of 4 channels, got ${heads} of ${hiddenSize}`,
  );
}

/** Base of the rotary embedding, which configurations rarely state. */
export function thetaOf(json: Json): number {
  const rope = json["rope_parameters"];
  const fields = typeof rope === "object" && rope !== null ? (rope as Json) : {};
  return positive(fields, "rope_theta", 10_000);
}
