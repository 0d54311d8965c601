import { count } from "../../load/json-fields.ts";
import { clipNames, type VisionArchitecture, visionLayout } from "./vision-layout.ts";

/**
 * The vision tower of CLIP: a class token, a norm before the layers, and a projection of the class
 * token's row to the space that it shares with texts.
 *
 * @see Radford et al., arXiv:2103.00020; huggingface/transformers: models/clip
 */
export const clipVision: VisionArchitecture = (json) => ({
  ...visionLayout(json, {
    imageSize: 224,
    patchSize: 32,
    activation: "quick_gelu",
    epsilon: 1e-5,
  }),
  biases: { patches: false, qkv: true },
  pooling: {
    kind: "token",
    projection: "visual_projection",
    outputs: count(json, "projection_dim", 512),
    bias: false,
    activation: null,
  },
  names: clipNames,
});
