import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  createReferenceTransformer,
  llamaConfigJson,
  randomWeights,
  type ReferenceConfig,
  type ReferenceOptions,
  tinyConfig,
  writeSafetensors,
  type WriteSafetensorsOptions,
} from "@frugal/testkit";
import type { LanguageModel } from "@frugal/core";

/** A model of random weights in a temporary folder, and the same weights in the reference. */
export interface RandomModel {
  readonly folder: string;
  readonly reference: (options?: ReferenceOptions) => Promise<LanguageModel>;
  readonly remove: () => Promise<void>;
}

/** Writes a random model as Hugging Face lays it out. */
export async function writeRandomModel(
  config: ReferenceConfig = tinyConfig,
  options: WriteSafetensorsOptions = { dtype: "F32" },
): Promise<RandomModel> {
  const folder = await mkdtemp(join(tmpdir(), "frugal-test-"));
  const weights = randomWeights(config, 1);
  await writeFile(join(folder, "config.json"), JSON.stringify(llamaConfigJson(config)));
  await writeFile(join(folder, "model.safetensors"), writeSafetensors(weights, options));
  return {
    folder,
    reference: async (how) => createReferenceTransformer({ config, tensors: weights }, how),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
