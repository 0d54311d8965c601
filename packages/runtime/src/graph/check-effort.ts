import { type ImageEffort, InferenceError } from "@frugal/core";

import type { ModelConfig } from "../load/model-config.ts";

/**
 * Checks an effort against a model.
 *
 * @throws {@link InferenceError} `range` or `shape` for numbers that do not fit the model; `unsupported`
 *   beside an attention policy or scores.
 */
export function checkEffort(
  { reach, heads, channels, skips }: ImageEffort,
  { layers, heads: headCount, intermediateSize }: ModelConfig,
  { attention, scores }: { readonly attention?: unknown; readonly scores?: unknown },
): void {
  if (attention !== undefined || scores !== undefined) {
    throw new InferenceError("unsupported", "effort: expected neither attention nor scores beside");
  }
  expect("reach", reach ?? 0, 0, Infinity);
  for (const [name, list] of Object.entries({ heads, channels })) {
    if (list !== undefined && list.length !== layers) {
      throw new InferenceError("shape", `${name}: expected ${layers} layers, got ${list.length}`);
    }
  }
  for (const [layer, mask] of (heads ?? []).entries()) {
    if (mask.length === headCount && mask.every((sees) => sees <= 1)) continue;
    throw new InferenceError(
      "shape",
      `heads[${layer}]: expected ${headCount} times 0 or 1, got ${mask.join()}`,
    );
  }
  for (const [layer, count] of (channels ?? []).entries()) {
    expect(`channels[${layer}]`, count, 0, intermediateSize);
  }
  let before = 0;
  for (const [i, layer] of (skips?.layers ?? []).entries()) {
    expect(`skips.layers[${i}]`, layer, before + 1, layers - 1);
    before = layer;
  }
}

function expect(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  const message = `${name}: expected an integer in [${low}, ${high}], got ${value}`;
  throw new InferenceError("range", message);
}
