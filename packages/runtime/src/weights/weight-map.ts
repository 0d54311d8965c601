import { InferenceError } from "@frugal/core";

import type { OnnxType } from "../onnx/model-proto.ts";
import type { SafetensorsEntry } from "./safetensors.ts";

/** A tensor of a checkpoint and the file it lies in. */
export interface Weight extends SafetensorsEntry {
  /** File name, relative to the model's folder. */
  readonly location: string;
}

/** The tensors of a checkpoint by name. */
export type WeightMap = ReadonlyMap<string, Weight>;

const onnxTypes: Readonly<Record<string, OnnxType>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

/**
 * The ONNX type of a floating-point tensor.
 *
 * @throws {@link InferenceError} `unsupported` for what ONNX Runtime cannot cast to float32.
 */
export function onnxTypeOf(name: string, weight: Weight): OnnxType {
  const type = onnxTypes[weight.dtype];
  if (type === undefined) {
    throw new InferenceError(
      "unsupported",
      `${name}: expected weights of type F32, F16 or BF16, got ${weight.dtype}`,
    );
  }
  return type;
}

/**
 * Looks a tensor up and checks its shape.
 *
 * @throws {@link InferenceError} `format` if it is missing, `shape` if it has another shape.
 */
export function requireWeight(weights: WeightMap, name: string, shape: readonly number[]): Weight {
  const weight = weights.get(name);
  if (weight === undefined) {
    throw new InferenceError("format", `${name}: the checkpoint has no such tensor`);
  }
  if (weight.shape.length !== shape.length || weight.shape.some((dim, i) => dim !== shape[i])) {
    throw new InferenceError(
      "shape",
      `${name}: expected [${shape.join(", ")}] from config.json, got [${weight.shape.join(", ")}]`,
    );
  }
  return weight;
}
