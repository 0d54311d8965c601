import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { shape135M, shape500M, writeRandomModel } from "./random-model.ts";

const embedded = fileURLToPath(new URL("../../models/", import.meta.url));

/** Folder of the embedded model. */
export const tiny: string = join(embedded, "frugal-tiny");

/** Folder of its draft model. */
export const tinyDraft: string = join(embedded, "frugal-tiny-draft");

/** Folder of a head or an adapter of the embedded model, `"medusa"` for instance. */
export function tinyPart(name: string): string {
  return join(embedded, `frugal-tiny-${name}`);
}

/** Where the benchmarks keep what they generate: about two gigabytes. */
export const scratch: string = process.env["FRUGAL_BENCH_FOLDER"] ?? join(tmpdir(), "frugal-bench");

/** Folder of a model of random weights in the shape of SmolLM2-135M, written on first use. */
export async function random135M(): Promise<string> {
  const folder = join(scratch, "random-135m");
  await writeRandomModel(folder, shape135M);
  return folder;
}

/** Folder of a model of random weights in the shape of Qwen2.5-0.5B, written on first use. */
export async function random500M(): Promise<string> {
  const folder = join(scratch, "random-500m");
  await writeRandomModel(folder, shape500M);
  return folder;
}
