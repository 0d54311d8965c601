import { InferenceError, type ModelInfo, type RopeInfo } from "@frugal/core";

import { modelInfo } from "../language-model.ts";
import { parseModelConfig } from "../load/config.ts";
import { type Json, object } from "../load/json-fields.ts";
import { attentionRules, keyFrequencies } from "../sequence/attention-rules.ts";
import type { KeyFrequencies } from "../sequence/kv-store.ts";
import type { DecoderSignature } from "./decoder-signature.ts";

/** The parsed configuration files that lie beside an exported model; null where there is none. */
export interface ExportedConfigs {
  /** `config.json` */
  readonly model: unknown;
  /** `generation_config.json` */
  readonly generation: unknown;
  /** `genai_config.json` */
  readonly genai: unknown;
}

/** What the configuration tells of an exported model. */
export interface ExportedFacts {
  readonly info: ModelInfo;
  /** By layer; null where the configuration is not one whose rotary embedding is known. */
  readonly frequencies: KeyFrequencies | null;
}

/**
 * Facts of an exported model: from the graph where it states them, else from `config.json` or
 * `genai_config.json`. Any architecture is fine; only eviction needs one that could be built here.
 *
 * @throws {@link InferenceError} `format` if a fact is nowhere to be found, naming it.
 */
export function exportedFacts(
  signature: DecoderSignature,
  configs: ExportedConfigs,
  parameters: number,
): ExportedFacts {
  const model = record(configs.model);
  const text = { ...model, ...record(model["text_config"]) };
  const genai = record(record(configs.genai)["model"]);
  const decoder = record(genai["decoder"]);
  const find = (name: string, ...values: readonly unknown[]): number => {
    const value = values.find((one) => Number.isInteger(one) && (one as number) > 0);
    if (value !== undefined) return value as number;
    throw new InferenceError("format", `exported model: no configuration gives its ${name}`);
  };
  const first = signature.cache[0]!;
  const kvHeads = first.before.at(-1)!;
  const heads = find("heads", text["num_attention_heads"], decoder["num_attention_heads"], kvHeads);
  const known = knownRotary(text, configs.generation);
  const type = model["model_type"] ?? genai["type"];
  const info: ModelInfo = {
    architecture: typeof type === "string" ? type : "unknown",
    vocabSize: find(
      "vocabulary size",
      signature.logits.vocabSize,
      text["vocab_size"],
      genai["vocab_size"],
    ),
    hiddenSize: find(
      "hidden size",
      signature.embeddings?.width,
      text["hidden_size"],
      text["n_embd"],
      decoder["hidden_size"],
      heads * first.width,
    ),
    maxLength: find(
      "length",
      text["max_position_embeddings"],
      text["n_positions"],
      genai["context_length"],
    ),
    layers: new Set(signature.cache.map((port) => port.layer)).size,
    heads,
    kvHeads,
    headDim: first.width,
    eosIds: eosIds(record(configs.generation), text, genai),
    rope: known?.rope ? ropeOf(known.rope, signature) : null,
    parameters,
  };
  const frequencies = known?.frequencies ?? null;
  return { info, frequencies: frequencies?.length === info.layers ? frequencies : null };
}

/** The graph says whether positions are triples, whatever the configuration allows. */
function ropeOf({ theta, dim }: RopeInfo, { positions }: DecoderSignature): RopeInfo {
  return positions?.rows === 3 ? { theta, dim, axes: 3 } : { theta, dim };
}

/** How keys turn, if the configuration is one that could be built here. */
function knownRotary(
  text: Json,
  generation: unknown,
): { readonly rope: ModelInfo["rope"]; readonly frequencies: KeyFrequencies | null } | null {
  try {
    const config = parseModelConfig(text, generation ?? undefined);
    const frequencies = keyFrequencies(config, attentionRules(config.attentionKinds));
    return { rope: modelInfo(config).rope, frequencies };
  } catch (error) {
    if (InferenceError.is(error)) return null;
    throw error;
  }
}

/** Ids that end a text, from the first configuration that has any. */
function eosIds(...configs: readonly Json[]): readonly number[] {
  const found = configs.map((config) => config["eos_token_id"]).find((ids) => ids !== undefined);
  const ids: unknown[] = Array.isArray(found) ? found : [found];
  return ids.filter((id): id is number => Number.isInteger(id) && (id as number) >= 0);
}

function record(value: unknown): Json {
  return value === null || value === undefined ? {} : object("configuration", value);
}
