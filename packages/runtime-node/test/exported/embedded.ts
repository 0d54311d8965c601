import { readFile } from "node:fs/promises";

import { parseLlamaConfig, readSafetensors, type ReferenceConfig } from "@frugal/testkit";

import { tinyFolder, type tinyModels } from "../tiny-models.ts";

/** Configuration and weights of an embedded model, to be exported. */
export async function embeddedModel(name: (typeof tinyModels)[number]): Promise<{
  readonly config: ReferenceConfig;
  readonly tensors: ReturnType<typeof readSafetensors>["tensors"];
}> {
  const folder = tinyFolder(name);
  const config = parseLlamaConfig(await readFile(new URL("config.json", folder), "utf8"));
  const { tensors } = readSafetensors(await readFile(new URL("model.safetensors", folder)));
  return { config, tensors };
}
