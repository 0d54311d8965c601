import type { LanguageModel } from "@frugal/core";
import {
  createReferenceTransformer,
  llamaConfigJson,
  randomWeights,
  type ReferenceConfig,
  type ReferenceOptions,
  tinyConfig,
  writeSafetensors,
} from "@frugal/testkit";

/** A model of random weights as files, and the same weights in the reference. */
export interface RandomModel {
  readonly files: readonly File[];
  readonly reference: (options?: ReferenceOptions) => Promise<LanguageModel>;
}

/** Makes a random model as Hugging Face lays it out; `fields` come on top of its configuration. */
export function randomModel(
  config: ReferenceConfig = tinyConfig,
  fields: object = {},
): RandomModel {
  const weights = randomWeights(config, 1);
  const bytes = writeSafetensors(weights, { dtype: "F32" });
  return {
    files: [
      new File([JSON.stringify({ ...llamaConfigJson(config), ...fields })], "config.json"),
      new File([bytes], "model.safetensors"),
    ],
    reference: async (how) => createReferenceTransformer({ config, tensors: weights }, how),
  };
}
