import {
  type Composition,
  textFields,
  visionFields,
  widthOf,
} from "../architectures/composed/composition.ts";
import { idefics3 } from "../architectures/composed/idefics3.ts";
import { llava, llavaNext, llavaOneVision } from "../architectures/composed/llava.ts";
import { qwen25Vl, qwen2Vl } from "../architectures/composed/qwen2-vl.ts";
import { type Json, object } from "./json-fields.ts";
import type { Projector } from "./vision-config.ts";

/** Vision-language models that can be built, by `model_type`. */
const compositions: Readonly<Record<string, Composition>> = {
  idefics3,
  llava,
  llava_next: llavaNext,
  llava_onevision: llavaOneVision,
  qwen2_5_vl: qwen25Vl,
  qwen2_vl: qwen2Vl,
  smolvlm: { ...idefics3, vision: "smolvlm_vision" },
};

/** The parts of a composed configuration. */
export interface ComposedFields {
  readonly text: Json;
  readonly vision: Json;
  readonly projector: (vision: Parameters<Composition["projector"]>[1]) => Projector;
}

/** The parts of a vision-language model's configuration; null if it describes something else. */
export function composedFields(json: Json): ComposedFields | null {
  const name = json["model_type"];
  if (typeof name !== "string" || !Object.hasOwn(compositions, name)) return null;
  const composition = compositions[name]!;
  const text = textFields(json, composition);
  return {
    text,
    vision: visionFields(json, composition),
    projector: (vision) => composition.projector(json, vision, widthOf(text)),
  };
}

/** Whether a configuration is that of a vision-language model. */
export function isComposed(config: unknown): boolean {
  return composedFields(object("config.json", config)) !== null;
}

/** `model_type` of all of them. */
export const composedNames: readonly string[] = /* @__PURE__ */ Object.keys(compositions);
