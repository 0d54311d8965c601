import { InferenceError } from "@frugal/core";

import { describeValue } from "../../load/describe-value.ts";
import { count, type Json } from "../../load/json-fields.ts";
import { headsOf, qwenNames, thetaOf } from "./qwen2-vl.ts";
import { activationOf, sizeOf, type VisionArchitecture } from "./vision-layout.ts";

/**
 * The vision encoder of Qwen2.5-VL: Qwen2-VL's with RMS norms and gated MLPs, whose patches attend within
 * windows in all but a few layers.
 *
 * @see Bai et al., arXiv:2502.13923; huggingface/transformers: models/qwen2_5_vl
 */
export const qwen25Vision: VisionArchitecture = (json) => {
  const hiddenSize = count(json, "hidden_size", 3584);
  const patchSize = sizeOf(json, "patch_size", 14);
  const merge = count(json, "spatial_merge_size", 2);
  const side = Math.floor(count(json, "window_size", 112) / merge / patchSize[0]) * merge;
  if (side < 1) {
    const message = `window_size: expected at least ${merge} patches, got ${String(json["window_size"])}`;
    throw new InferenceError("format", `config.json: ${message}`);
  }
  return {
    hiddenSize,
    intermediateSize: count(json, "intermediate_size", 3420),
    layers: count(json, "depth", 32),
    heads: headsOf(json, hiddenSize),
    channels: count(json, "in_channels", count(json, "in_chans", 3)),
    imageSize: null,
    patchSize,
    frames: count(json, "temporal_patch_size", 2),
    positions: {
      kind: "rotary",
      theta: thetaOf(json),
      merge,
      windows: { side, except: layersOf(json, "fullatt_block_indexes", [7, 15, 23, 31]) },
    },
    activation: activationOf(json, "hidden_act", "silu"),
    gated: true,
    norm: { kind: "rms", epsilon: 1e-6, plusOne: false },
    biases: { patches: false, qkv: true },
    pooling: null,
    names: {
      ...qwenNames,
      layer: { ...qwenNames.layer, up: ["mlp.gate_proj", "mlp.up_proj"], down: "mlp.down_proj" },
    },
  };
};

function layersOf(json: Json, field: string, fallback: readonly number[]): readonly number[] {
  const value: unknown = json[field] ?? fallback;
  if (Array.isArray(value) && value.every((item) => Number.isInteger(item))) {
    return value as number[];
  }
  throw new InferenceError(
    "format",
    `config.json: ${field}: expected numbers of layers, got ${describeValue(value)}`,
  );
}
