import { InferenceError } from "@frugal/core";

import { count, type Json, object } from "../../load/json-fields.ts";
import type { Projector, VisionConfig } from "../../load/vision-config.ts";

/** How a vision-language model is put together of an encoder, a projector and a decoder. */
export interface Composition {
  /** `model_type` of a decoder or an encoder whose own fields do not say it. */
  readonly text: string;
  readonly vision: string;
  /** What the fields of decoders leave out, by `model_type`. */
  readonly textDefaults?: Readonly<Record<string, Json>>;
  /** Reads the projector; `outputs` is the width of the decoder. */
  readonly projector: (json: Json, vision: Encoder, outputs: number) => Projector;
}

/** An encoder before its projector is known. */
export type Encoder = Omit<VisionConfig, "projector">;

/**
 * The decoder's fields of a composed configuration: those of `text_config`, or, in older files of some
 * models, fields of the whole.
 *
 * A table of embeddings that serves as head is said here or there, by version; whether a checkpoint has
 * a head of its own is the last word (see `readModelFolder`).
 */
export function textFields(json: Json, { text, textDefaults = {} }: Composition): Json {
  const nested = json["text_config"] ?? null;
  const given = nested === null ? json : object("config.json: text_config", nested);
  const name = nested === null ? text : (given["model_type"] ?? text);
  const isTied = json["tie_word_embeddings"] === true || given["tie_word_embeddings"] === true;
  return {
    ...(typeof name === "string" && Object.hasOwn(textDefaults, name) ? textDefaults[name] : {}),
    ...given,
    model_type: name,
    tie_word_embeddings: isTied,
    eos_token_id: json["eos_token_id"] ?? given["eos_token_id"],
  };
}

/** The encoder's fields, with `model_type`, which older files give the name of the whole. */
export function visionFields(json: Json, { vision }: Composition): Json {
  const given = object("config.json: vision_config", json["vision_config"] ?? {});
  const name = given["model_type"] ?? vision;
  return { ...given, model_type: name === json["model_type"] ? vision : name };
}

/**
 * Numbers of hidden states, which configurations also count from the end.
 *
 * @throws {@link InferenceError} `format` for one that the encoder does not have.
 */
export function hiddenStates(field: string, value: unknown, layers: number): readonly number[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    const number = typeof item === "number" && item < 0 ? layers + 1 + item : item;
    if (Number.isInteger(number) && (number as number) >= 0 && (number as number) <= layers) {
      return number as number;
    }
    throw new InferenceError(
      "format",
      `config.json: ${field}: expected a hidden state of ${layers} layers, got ${String(item)}`,
    );
  });
}

/** Width of the rows that a decoder takes. */
export function widthOf(text: Json): number {
  return count(text, "hidden_size");
}
