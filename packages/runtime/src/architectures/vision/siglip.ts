import { clipNames, type VisionArchitecture, visionLayout } from "./vision-layout.ts";

/**
 * The vision tower of SigLIP: CLIP's without a class token and without a norm before the layers, with
 * a bias of the patches. The head that pools its rows by attention is left out: decoders read rows.
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
  pooling: null,
  names: { ...clipNames, classToken: null, entryNorm: null },
});
