import { InferenceError } from "@frugal/core";

import { describeValue } from "../load/describe-value.ts";
import { count, type Json } from "../load/json-fields.ts";
import type { AttentionKind, ModelConfig } from "../load/model-config.ts";

/** Describes every layer, and finds out which of them attend in the same way. */
export function attentionOf(
  layers: number,
  kindOf: (layer: number) => AttentionKind,
): Pick<ModelConfig, "attentionKinds" | "layerKinds"> {
  const attentionKinds: AttentionKind[] = [];
  const layerKinds = Array.from({ length: layers }, (_, layer) => {
    const kind = kindOf(layer);
    const known = attentionKinds.findIndex(
      ({ window, rotary }) => window === kind.window && rotary === kind.rotary,
    );
    return known >= 0 ? known : attentionKinds.push(kind) - 1;
  });
  return { attentionKinds, layerKinds };
}

/** `sliding_window`: the number of keys that a row sees, itself among them; null without a window. */
export function windowOf(json: Json): number | null {
  return (json["sliding_window"] ?? null) === null ? null : count(json, "sliding_window");
}

/**
 * Which layers have a sliding window: what `layer_types` says, or `otherwise`.
 *
 * @throws {@link InferenceError} `unsupported` for another type of layer, `format` for too few.
 */
export function layerTypes(
  json: Json,
  layers: number,
  otherwise: (layer: number) => boolean,
): readonly boolean[] {
  const types = listOf(json, "layer_types", layers);
  return Array.from({ length: layers }, (_, layer) => {
    if (types === null) return otherwise(layer);
    const type = types[layer];
    if (type === "sliding_attention" || type === "full_attention") return type[0] === "s";
    throw new InferenceError(
      "unsupported",
      `config.json: layer_types: expected "full_attention" or "sliding_attention", ` +
        `got ${describeValue(type)}`,
    );
  });
}

/** A list of 0 and 1 for the layers, or `otherwise`. */
export function flagsOf(
  json: Json,
  field: string,
  layers: number,
  otherwise: (layer: number) => boolean,
): readonly boolean[] {
  const list = listOf(json, field, layers);
  return Array.from({ length: layers }, (_, layer) => {
    if (list === null) return otherwise(layer);
    const item = list[layer];
    if (item === 0 || item === 1) return item === 1;
    throw new InferenceError(
      "format",
      `config.json: ${field}: expected 0 or 1, got ${describeValue(item)}`,
    );
  });
}

function listOf(json: Json, field: string, layers: number): readonly unknown[] | null {
  const value = json[field] ?? null;
  if (value === null) return null;
  if (Array.isArray(value) && value.length >= layers) return value;
  throw new InferenceError(
    "format",
    `config.json: ${field}: expected a list for ${layers} layers, got ${describeValue(value)}`,
  );
}
