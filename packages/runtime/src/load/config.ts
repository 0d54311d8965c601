import { InferenceError } from "@frugal/core";

import { describeValue } from "./describe-value.ts";

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

/** What the graph needs to know of a model's `config.json`. */
export interface ModelConfig {
  /** `model_type`. */
  readonly architecture: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly maxLength: number;
  readonly normEpsilon: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
  readonly tieWordEmbeddings: boolean;
  /** Query, key, value and output projections have a bias. */
  readonly attentionBias: boolean;
  /** The projections of the MLP have a bias. */
  readonly mlpBias: boolean;
  readonly eosIds: readonly number[];
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a Hugging Face `config.json` of the Llama layout, with the ids that end a text from
 * `generation_config.json` where that is given.
 *
 * @throws {@link InferenceError} `unsupported` for another architecture, activation or rotary
 *   scaling; `format` for a field that is missing or of the wrong type. Messages name the field
 *   and its value.
 */
export function parseModelConfig(config: unknown, generationConfig?: unknown): ModelConfig {
  const json = object("config.json", config);
  const architecture = checkArchitecture(json);
  const heads = count(json, "num_attention_heads");
  const hiddenSize = count(json, "hidden_size");
  const kvHeads = count(json, "num_key_value_heads", heads);
  if (heads % kvHeads !== 0) {
    throw new InferenceError(
      "format",
      `config.json: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  }
  const headDim = count(json, "head_dim", hiddenSize / heads);
  if (headDim % 2 !== 0) {
    throw new InferenceError(
      "format",
      `config.json: head_dim: expected an even number, got ${headDim}`,
    );
  }
  const rope = ropeOf(json);
  return {
    architecture,
    vocabSize: count(json, "vocab_size"),
    hiddenSize,
    intermediateSize: count(json, "intermediate_size"),
    layers: count(json, "num_hidden_layers"),
    heads,
    kvHeads,
    headDim,
    maxLength: count(json, "max_position_embeddings"),
    normEpsilon: positive(json, "rms_norm_eps", 1e-6),
    ropeTheta: positive(rope, "rope_theta", positive(json, "rope_theta", 10_000)),
    ropeScaling: parseRopeScaling(rope),
    tieWordEmbeddings: flag(json, "tie_word_embeddings", false),
    attentionBias: flag(json, "attention_bias", false),
    mlpBias: flag(json, "mlp_bias", false),
    eosIds: eosIds(
      generationConfig === undefined ? json : object("generation_config.json", generationConfig),
      json,
    ),
  };
}

function checkArchitecture(json: Json): string {
  const architecture = json["model_type"];
  if (architecture !== "llama") {
    throw new InferenceError(
      "unsupported",
      `config.json: model_type: expected "llama", got ${describeValue(architecture)}`,
    );
  }
  const activation = json["hidden_act"] ?? "silu";
  if (activation !== "silu") {
    throw new InferenceError(
      "unsupported",
      `config.json: hidden_act: expected "silu", got ${describeValue(activation)}`,
    );
  }
  return architecture;
}

/** transformers 5 nests the rotary fields in `rope_parameters`, 4 has `rope_scaling`. */
function ropeOf(json: Json): Json {
  const nested = json["rope_parameters"] ?? json["rope_scaling"];
  return nested === undefined || nested === null ? {} : object("config.json: rope_scaling", nested);
}

function parseRopeScaling(rope: Json): RopeScaling {
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

function eosIds(first: Json, second: Json): readonly number[] {
  const value = first["eos_token_id"] ?? second["eos_token_id"] ?? [];
  const ids = Array.isArray(value) ? (value as unknown[]) : [value];
  for (const id of ids) {
    if (!Number.isInteger(id) || (id as number) < 0) {
      throw new InferenceError("format", `eos_token_id: expected ids, got ${describeValue(value)}`);
    }
  }
  return ids as number[];
}

function object(what: string, value: unknown): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InferenceError("format", `${what}: expected an object, got ${describeValue(value)}`);
  }
  return value as Json;
}

function count(json: Json, field: string, fallback?: number): number {
  const value = json[field] ?? fallback;
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 2 ** 31) {
    throw new InferenceError(
      "format",
      `config.json: ${field}: expected a positive integer, got ${describeValue(value)}`,
    );
  }
  return value as number;
}

function positive(json: Json, field: string, fallback?: number): number {
  const value = json[field] ?? fallback;
  if (typeof value !== "number" || !(value > 0) || value === Infinity) {
    throw new InferenceError(
      "format",
      `config.json: ${field}: expected a positive number, got ${describeValue(value)}`,
    );
  }
  return value;
}

function flag(json: Json, field: string, fallback: boolean): boolean {
  const value = json[field] ?? fallback;
  if (typeof value !== "boolean") {
    throw new InferenceError(
      "format",
      `config.json: ${field}: expected true or false, got ${describeValue(value)}`,
    );
  }
  return value;
}
