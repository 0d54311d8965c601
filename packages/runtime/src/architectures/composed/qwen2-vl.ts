import { InferenceError } from "@frugal/core";

import type { Json } from "../../load/json-fields.ts";
import type { Projector } from "../../load/vision-config.ts";
import type { Composition, Encoder } from "./composition.ts";

/**
 * Qwen2-VL: squares of neighbouring patches become one row through an MLP. The decoder is Qwen2 with
 * positions of three numbers.
 *
 * @see Wang et al., arXiv:2409.12191; huggingface/transformers: models/qwen2_vl
 */
export const qwen2Vl: Composition = {
  text: "qwen2_vl_text",
  vision: "qwen2_vl_vision",
  projector: merger,
};

/**
 * Qwen2.5-VL: the same, with an encoder that attends within windows in most layers.
 *
 * @see Bai et al., arXiv:2502.13923; huggingface/transformers: models/qwen2_5_vl
 */
export const qwen25Vl: Composition = {
  text: "qwen2_5_vl_text",
  vision: "qwen2_5_vl_vision",
  projector: merger,
};

function merger(_json: Json, { positions, hiddenSize }: Encoder, outputs: number): Projector {
  if (positions.kind !== "rotary") {
    throw new InferenceError("unsupported", "config.json: vision_config: an encoder of images");
  }
  return {
    reads: ["final"],
    patchesOnly: false,
    join: { side: positions.merge, from: "order" },
    linears: [
      { name: "merger.mlp.0", outputs: hiddenSize * positions.merge ** 2 },
      { name: "merger.mlp.2", outputs },
    ],
    activation: "gelu",
    bias: true,
    newline: null,
  };
}
