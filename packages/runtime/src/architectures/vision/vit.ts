import { count, flag, oneOf } from "../../load/json-fields.ts";
import type { VisionNames } from "../../load/vision-config.ts";
import { type VisionArchitecture, visionLayout } from "./vision-layout.ts";

const names: VisionNames = {
  patches: "embeddings.patch_embeddings.projection",
  classToken: "embeddings.cls_token",
  positions: "embeddings.position_embeddings",
  entryNorm: null,
  layers: "encoder.layer",
  layer: {
    beforeAttention: "layernorm_before",
    qkv: ["attention.attention.query", "attention.attention.key", "attention.attention.value"],
    attentionOutput: "attention.output.dense",
    beforeMlp: "layernorm_after",
    up: ["intermediate.dense"],
    down: "output.dense",
  },
  finalNorm: "layernorm",
};

/**
 * ViT: a class token, whose last row goes through a layer with tanh where the checkpoint has one.
 *
 * @see Dosovitskiy et al., arXiv:2010.11929; huggingface/transformers: models/vit
 */
export const vit: VisionArchitecture = (json) => {
  oneOf(json, "pooler_act", ["tanh"], "tanh");
  const layout = visionLayout(json, {
    imageSize: 224,
    patchSize: 16,
    activation: "gelu",
    epsilon: 1e-12,
  });
  return {
    ...layout,
    biases: { patches: true, qkv: flag(json, "qkv_bias", true) },
    pooling: {
      kind: "token",
      projection: "pooler.dense",
      outputs: count(json, "pooler_output_size", layout.hiddenSize),
      bias: true,
      activation: "tanh",
    },
    names,
  };
};
