import { siglipNames } from "./siglip.ts";
import { type VisionArchitecture, visionLayout } from "./vision-layout.ts";

/**
 * The vision encoder of Idefics3 and SmolVLM: SigLIP's layers, with positions by where in the image a
 * patch lies, so that images of other sizes and padded ones share one table.
 *
 * @see Laurençon et al., arXiv:2408.12637; huggingface/transformers: models/idefics3
 */
export const idefics3Vision: VisionArchitecture = (json) => {
  const layout = visionLayout(
    { hidden_size: 1152, num_attention_heads: 16, ...json },
    { imageSize: 224, patchSize: 32, activation: "gelu_pytorch_tanh", epsilon: 1e-6 },
  );
  return {
    ...layout,
    positions: { kind: "fraction", grid: layout.positions.grid },
    biases: { patches: true, qkv: true },
    pooling: null,
    names: siglipNames,
  };
};
