import { InferenceError } from "@frugal/core";

import { gemma } from "../architectures/gemma.ts";
import { gemma2 } from "../architectures/gemma2.ts";
import { gemma3 } from "../architectures/gemma3.ts";
import { gpt2 } from "../architectures/gpt2.ts";
import type { Architecture } from "../architectures/llama-layout.ts";
import { llama } from "../architectures/llama.ts";
import { mistral } from "../architectures/mistral.ts";
import { olmo2 } from "../architectures/olmo2.ts";
import { phi3 } from "../architectures/phi3.ts";
import { qwen2 } from "../architectures/qwen2.ts";
import { qwen2VlText } from "../architectures/qwen2-vl.ts";
import { qwen3 } from "../architectures/qwen3.ts";
import { smollm3 } from "../architectures/smollm3.ts";
import { composedFields, composedNames } from "./composition.ts";
import { describeValue } from "./describe-value.ts";
import { type Json, object } from "./json-fields.ts";
import { forLongTexts } from "./long-texts.ts";
import type { ModelConfig } from "./model-config.ts";

/** The families that graphs can be built for, by `model_type`. */
const architectures: Readonly<Record<string, Architecture>> = {
  gemma,
  gemma2,
  gemma3_text: gemma3,
  gpt2,
  llama,
  mistral,
  olmo2,
  phi3,
  qwen2,
  qwen2_5_vl_text: qwen2VlText,
  qwen2_vl_text: qwen2VlText,
  qwen3,
  smollm3,
};

/** What {@link parseModelConfig} is to make of a configuration. */
export interface ConfigOptions {
  /**
   * Of a model with LongRoPE, the rotary embedding for texts beyond its original length, see
   * {@link forLongTexts}. Default false.
   */
  readonly longTexts?: boolean;
}

/**
 * Reads a Hugging Face `config.json`, with the ids that end a text from `generation_config.json`
 * where that is given. Of a vision-language model, its decoder.
 *
 * @throws {@link InferenceError} `unsupported` for another architecture, activation or rotary
 *   scaling; `format` for a field that is missing or of the wrong type. Messages name the field
 *   and its value.
 */
export function parseModelConfig(
  config: unknown,
  generationConfig?: unknown,
  { longTexts = false }: ConfigOptions = {},
): ModelConfig {
  const whole = object("config.json", config);
  const stated = composedFields(whole)?.text ?? whole;
  const json = longTexts ? forLongTexts(stated) : stated;
  const name = json["model_type"];
  if (typeof name !== "string" || !Object.hasOwn(architectures, name)) {
    const known = [...Object.keys(architectures), ...composedNames].join(", ");
    throw new InferenceError(
      "unsupported",
      `config.json: model_type: expected one of ${known}, got ${describeValue(name)}`,
    );
  }
  const generation =
    generationConfig === undefined ? json : object("generation_config.json", generationConfig);
  return { architecture: name, ...architectures[name]!(json), eosIds: eosIds(generation, json) };
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
