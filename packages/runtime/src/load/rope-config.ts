import { InferenceError } from "@frugal/core";

import { describeValue } from "./describe-value.ts";
import { type Json, object, positive } from "./json-fields.ts";

/** Rescaling of the rotary frequencies, as `rope_scaling` of a configuration describes it. */
export type RopeScaling =
  | { readonly kind: "none" }
  | { readonly kind: "linear"; readonly factor: number }
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalLength: number;
    };

/** A rotary embedding: which channels of a head turn, and how fast. */
export interface Rotary {
  /** Base of the inverse frequencies. */
  readonly theta: number;
  /** Channels that turn, from the first; even. */
  readonly dim: number;
  readonly scaling: RopeScaling;
}

/**
 * The rotary embedding that a configuration describes: `rope_parameters` of transformers 5, or
 * `rope_theta` and `rope_scaling` of transformers 4.
 *
 * @throws {@link InferenceError} `unsupported` for another kind of scaling; `format` for fields
 *   that are missing or of the wrong type.
 */
export function ropeOf(json: Json, dim: number): Rotary {
  const nested = json["rope_parameters"] ?? json["rope_scaling"];
  const rope =
    nested === undefined || nested === null ? {} : object("config.json: rope_scaling", nested);
  return {
    theta: positive(rope, "rope_theta", positive(json, "rope_theta", 10_000)),
    dim,
    scaling: scalingOf(rope),
  };
}

function scalingOf(rope: Json): RopeScaling {
  const kind = rope["rope_type"] ?? rope["type"] ?? "default";
  if (kind === "default") return { kind: "none" };
  if (kind === "linear") return { kind, factor: positive(rope, "factor") };
  if (kind === "llama3") {
    return {
      kind,
      factor: positive(rope, "factor"),
      lowFrequencyFactor: positive(rope, "low_freq_factor"),
      highFrequencyFactor: positive(rope, "high_freq_factor"),
      originalLength: positive(rope, "original_max_position_embeddings"),
    };
  }
  throw new InferenceError(
    "unsupported",
    `config.json: rope_type: expected "default", "linear" or "llama3", got ${describeValue(kind)}`,
  );
}
