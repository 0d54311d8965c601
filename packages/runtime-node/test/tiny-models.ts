import { readFileSync } from "node:fs";

import { readSafetensors } from "@frugal/testkit";

/** Names of the embedded models. */
export const tinyModels = ["frugal-tiny", "frugal-tiny-draft"] as const;

/** Folder of an embedded model. */
export function tinyFolder(name: (typeof tinyModels)[number]): URL {
  return new URL(`../../../models/${name}/`, import.meta.url);
}

/** The texts that PyTorch's logits are stored for. */
export function goldenTexts(): Uint32Array[] {
  const file = new URL("golden.safetensors", tinyFolder("frugal-tiny"));
  const { integers } = readSafetensors(readFileSync(file));
  return [0, 1, 2].map((i) => Uint32Array.from(integers.get(`prompt${i}.input_ids`)!.data));
}
