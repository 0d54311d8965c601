import { InferenceError } from "@frugal/core";

import { describeValue } from "./describe-value.ts";
import { count, flag, type Json, object, positive } from "./json-fields.ts";

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
    }
  | {
      readonly kind: "yarn";
      readonly factor: number;
      readonly originalLength: number;
      /** Rotations within the original length above which a frequency stays. */
      readonly betaFast: number;
      /** Rotations below which it is divided. */
      readonly betaSlow: number;
      /** The bounds between the two are whole channels. */
      readonly truncate: boolean;
      /** Factor of cosines and sines. */
      readonly attentionFactor: number;
    }
  | {
      readonly kind: "longrope";
      /** Divisors of the frequencies, `[dim / 2]`. */
      readonly factors: readonly number[];
      readonly attentionFactor: number;
    };

/** A rotary embedding: which channels of a head turn, and how fast. */
export interface Rotary {
  /** Base of the inverse frequencies. */
  readonly theta: number;
  /** Channels that turn, from the first; even. */
  readonly dim: number;
  readonly scaling: RopeScaling;
  /**
   * M-RoPE: the pairs of channels in sections that take turns to turn by frame, row and column.
   * Absent: all turn by the one position.
   */
  readonly sections?: readonly number[];
}

/** Where to look for the rotary embedding of some layers, and what an absent field means. */
export interface RopeDefaults {
  /** Key of these layers where every type of layer has parameters of its own. */
  readonly layerType?: string;
  readonly theta?: number;
}

/**
 * The rotary embedding that a configuration describes: `rope_parameters` of transformers 5, which
 * may be nested by type of layer, or `rope_theta`, `rope_scaling` and `partial_rotary_factor` of
 * transformers 4.
 *
 * `dynamic` scaling changes nothing below `max_position_embeddings`, which positions may not exceed,
 * so it is no scaling here, and neither is `mrope`, which only says that positions are triples.
 * `longrope` has divisors for texts up to the original length and others
 * for longer ones; see {@link usableLength} for which are taken.
 *
 * @throws {@link InferenceError} `unsupported` for another kind of scaling; `format` for fields
 *   that are missing or of the wrong type.
 */
export function ropeOf(json: Json, headDim: number, defaults: RopeDefaults = {}): Rotary {
  const { layerType = "full_attention", theta = 10_000 } = defaults;
  const outer = fields(json["rope_parameters"] ?? json["rope_scaling"]);
  const rope = layerType in outer ? fields(outer[layerType]) : outer;
  const share = positive(rope, "partial_rotary_factor", positive(json, "partial_rotary_factor", 1));
  const dim = Math.floor(headDim * share);
  if (dim % 2 !== 0 || dim < 2 || dim > headDim) {
    throw new InferenceError(
      "format",
      `config.json: partial_rotary_factor: expected to leave an even number of channels, ` +
        `got ${dim} of ${headDim}`,
    );
  }
  return {
    theta: positive(rope, "rope_theta", positive(json, "rope_theta", theta)),
    dim,
    scaling: scalingOf(json, rope, dim),
    ...sectionsOf(rope, dim),
  };
}

/** `mrope_section`, of models whose positions are triples. */
function sectionsOf(rope: Json, dim: number): Pick<Rotary, "sections"> {
  const value: unknown = rope["mrope_section"] ?? null;
  if (value === null) return {};
  if (rope["mrope_interleaved"] === true) {
    throw new InferenceError("unsupported", "config.json: mrope_interleaved: expected false");
  }
  const isList = Array.isArray(value) && value.every((item) => Number.isInteger(item) && item > 0);
  const sections = isList ? (value as number[]) : [];
  if (sections.reduce((sum, pairs) => sum + pairs, 0) === dim / 2) return { sections };
  throw new InferenceError(
    "format",
    `config.json: mrope_section: expected numbers that add up to ${dim / 2}, ` +
      `got ${describeValue(value)}`,
  );
}

function fields(value: unknown): Json {
  return value === undefined || value === null ? {} : object("config.json: rope_scaling", value);
}

function scalingOf(json: Json, rope: Json, dim: number): RopeScaling {
  const kind = rope["rope_type"] ?? rope["type"] ?? "default";
  switch (kind) {
    case "default":
    case "dynamic":
    case "mrope":
      return { kind: "none" };
    case "linear":
      return { kind: "linear", factor: positive(rope, "factor") };
    case "llama3":
      return {
        kind: "llama3",
        factor: positive(rope, "factor"),
        lowFrequencyFactor: positive(rope, "low_freq_factor"),
        highFrequencyFactor: positive(rope, "high_freq_factor"),
        originalLength: originalLength(json, rope),
      };
    case "yarn":
      return yarn(json, rope);
    case "longrope":
    case "su":
      return longrope(json, rope, dim);
    default:
      throw new InferenceError(
        "unsupported",
        `config.json: rope_type: expected "default", "dynamic", "linear", "llama3", "yarn" or ` +
          `"longrope", got ${describeValue(kind)}`,
      );
  }
}

function yarn(json: Json, rope: Json): RopeScaling {
  const factor = positive(rope, "factor");
  const magnitude = (of: unknown): number =>
    factor <= 1 ? 1 : 0.1 * (typeof of === "number" ? of : 1) * Math.log(factor) + 1;
  const { mscale, mscale_all_dim: all } = rope as { mscale?: unknown; mscale_all_dim?: unknown };
  const inferred = mscale && all ? magnitude(mscale) / magnitude(all) : magnitude(1);
  return {
    kind: "yarn",
    factor,
    originalLength: originalLength(json, rope),
    betaFast: positive(rope, "beta_fast", 32),
    betaSlow: positive(rope, "beta_slow", 1),
    truncate: flag(rope, "truncate", true),
    attentionFactor: positive(rope, "attention_factor", inferred),
  };
}

function longrope(json: Json, rope: Json, dim: number): RopeScaling {
  return {
    kind: "longrope",
    factors: divisors(rope, "short_factor", dim / 2),
    attentionFactor: longAttentionFactor(json, rope),
  };
}

function longAttentionFactor(json: Json, rope: Json): number {
  const original = originalLength(json, rope);
  const factor = positive(rope, "factor", count(json, "max_position_embeddings") / original);
  const inferred = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  return positive(rope, "attention_factor", inferred);
}

/** The fields of LongRoPE, where they stand, and its factor of cosines and sines; null: it has none. */
export function longRope(
  json: Json,
): { readonly field: string; readonly rope: Json; readonly attentionFactor: number } | null {
  const field = (json["rope_parameters"] ?? null) === null ? "rope_scaling" : "rope_parameters";
  const rope = fields(json[field]);
  const kind = rope["rope_type"] ?? rope["type"];
  if (kind !== "longrope" && kind !== "su") return null;
  return { field, rope, attentionFactor: longAttentionFactor(json, rope) };
}

/**
 * Positions that can be used: all the model was made for, but with LongRoPE only those of the
 * original length. Beyond it every position, earlier ones too, takes other frequencies, which keys
 * in a cache cannot follow; implementations that switch answer differently by how a text was cut
 * into blocks. The short divisors are those of the texts that most people have; see
 * `forLongTexts` for others.
 */
export function usableLength(json: Json): number {
  const all = count(json, "max_position_embeddings");
  const long = longRope(json);
  return long === null ? all : Math.min(all, originalLength(json, long.rope));
}

function originalLength(json: Json, rope: Json): number {
  const field = "original_max_position_embeddings";
  if ((json[field] ?? null) !== null) return count(json, field);
  return count(rope, field, count(json, "max_position_embeddings"));
}

function divisors(rope: Json, field: string, length: number): readonly number[] {
  const value = rope[field];
  const isList = Array.isArray(value) && value.length === length;
  if (isList && value.every((item) => typeof item === "number" && item > 0)) return value;
  throw new InferenceError(
    "format",
    `config.json: ${field}: expected ${length} positive numbers, got ${describeValue(value)}`,
  );
}
