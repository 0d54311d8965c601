/**
 * Runs the encoder of a vision-language model on WebGPU, in a process of its own: the driver is chosen by
 * the environment, and is none of the tests' business.
 *
 * Argument: a model's folder among the oracles. Prints the largest difference to the rows that
 * transformers computed of two pictures.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { EncoderInput } from "@frugal/runtime";
import { largestDifference, readSafetensors } from "@frugal/testkit";

import { loadVisionTower } from "../../src/index.ts";

const [folder] = process.argv.slice(2) as [string];
const golden = readSafetensors(await readFile(join(folder, "golden.safetensors")));
const { data, shape } = golden.tensors.get("input2.pixel_values")!;
const inputs: Record<string, EncoderInput> = { pixel_values: { data, dims: shape } };
for (const name of ["image_grid_thw", "pixel_attention_mask"]) {
  const found = golden.integers.get(`input2.${name}`);
  if (found !== undefined) {
    inputs[name] = { data: Int32Array.from(found.data), dims: found.shape };
  }
}
const tower = await loadVisionTower(folder, { device: "webgpu" });
const rows = await tower.encode(inputs);
await tower.dispose();
const features = golden.tensors.get("input2.features")!;
const [count, cols] = features.shape as [number, number];
if (rows.rows !== count) throw new Error(`expected ${count} rows, got ${rows.rows}`);
const difference = largestDifference(rows, { data: features.data, rows: count, cols });
process.stdout.write(`${JSON.stringify({ difference })}\n`);
