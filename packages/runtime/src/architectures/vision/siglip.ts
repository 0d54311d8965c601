import type { VisionNames } from "../../load/vision-config.ts";
import { clipNames, type VisionArchitecture, visionLayout } from "./vision-layout.ts";

/** CLIP's names, of what SigLIP has. */
export const siglipNames: VisionNames = { ...clipNames, classToken: null, entryNorm: null };

/**
 * The vision tower of SigLIP: CLIP's without a class token and without a norm before the layers, with
 * a bias of the patches; its rows are pooled by a query that attends to them.
 *
 * @see Zhai et al., arXiv:2303.15343; huggingface/transformers: models/siglip
 */
export const siglipVision: VisionArchitecture = (json) => ({
  ...visionLayout(json, {
    imageSize: 224,
    patchSize: 16,
    activation: "gelu_pytorch_tanh",
    epsilon: 1e-6,
  }),
  biases: { patches: true, qkv: true },
  pooling: { kind: "attention", prefix: "head" },
  names: siglipNames,
});
