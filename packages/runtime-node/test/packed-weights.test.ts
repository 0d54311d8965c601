import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { expectClose, readSafetensors } from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";

const oracles = new URL("oracles/packed-weights/", import.meta.url);
const cacheFolder = await mkdtemp(join(tmpdir(), "frugal-test-"));
afterAll(() => rm(cacheFolder, { recursive: true }));

async function logitsOf(folder: URL, tokens: Uint32Array, accuracyLevel: 1 | 4) {
  const model = await loadModel(folder, { inline: true, cacheFolder, accuracyLevel });
  const sequence = await model.createSequence();
  const { logits } = await sequence.step({ tokens }, { logits: "all" });
  await model.dispose();
  return logits!;
}

describe.for(await readdir(oracles))("%s", (name) => {
  const folder = new URL(`${name}/`, oracles);

  test("gives the logits of transformers over the numbers it stands for", async () => {
    const golden = readSafetensors(await readFile(new URL("golden.safetensors", folder)));
    const tokens = Uint32Array.from(golden.integers.get("input_ids")!.data);
    const { shape, data } = golden.tensors.get("logits")!;
    const expected = { data, rows: shape[0]!, cols: shape[1]! };
    expectClose(await logitsOf(folder, tokens, 1), expected, 1e-4);
    const range = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expectClose(await logitsOf(folder, tokens, 4), expected, range / 20);
    expect((await readdir(cacheFolder)).some((file) => file.startsWith(`${name}-`))).toBe(true);
  });

  test("is not quantized again", async () => {
    await expect(loadModel(folder, { inline: true, quantize: "q8" })).rejects.toMatchObject({
      code: "range",
    });
  });
});

test.for<[string, object, string]>([
  ["another method", { quant_method: "bitsandbytes" }, 'quant_method: expected "gptq" or "awq"'],
  ["three bits", { bits: 3 }, "bits: expected 4 or 8, got 3"],
  ["one group for all", { group_size: -1 }, "group_size: expected 16, 32, 64, 128 or 256, got -1"],
  ["groups that do not fit", { group_size: 64 }, "expected inputs in groups of 64"],
])("%s is refused by name", async ([, change, message]) => {
  const folder = await mkdtemp(join(tmpdir(), "frugal-test-"));
  await cp(fileURLToPath(new URL("gptq/", oracles)), folder, { recursive: true });
  const path = join(folder, "config.json");
  const config = JSON.parse(await readFile(path, "utf8")) as { quantization_config: object };
  const changed = { ...config.quantization_config, ...change };
  await writeFile(path, JSON.stringify({ ...config, quantization_config: changed }));
  const error = await loadModel(folder, { inline: true, cacheFolder }).catch((e: unknown) => e);
  expect(error).toMatchObject({ name: "InferenceError", code: "unsupported" });
  expect((error as Error).message).toContain(message);
  await rm(folder, { recursive: true });
});

test("inputs in another order are refused by name", async () => {
  const folder = await mkdtemp(join(tmpdir(), "frugal-test-"));
  await cp(fileURLToPath(new URL("gptq/", oracles)), folder, { recursive: true });
  const path = join(folder, "model.safetensors");
  const bytes = await readFile(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
    string,
    { data_offsets: number[] }
  >;
  const name = "model.layers.1.mlp.down_proj.g_idx";
  bytes.writeInt32LE(1, 8 + length + header[name]!.data_offsets[0]! + 4 * 3);
  await writeFile(path, bytes);
  const error = await loadModel(folder, { inline: true, cacheFolder }).catch((e: unknown) => e);
  expect(error).toMatchObject({ name: "InferenceError", code: "unsupported" });
  expect((error as Error).message).toContain(`${name}: expected groups of neighbouring inputs`);
  await rm(folder, { recursive: true });
});
