import {
  llamaConfigJson,
  randomWeights,
  readSafetensors as readReference,
  type ReferenceConfig,
  tinyConfig,
  writeSafetensors,
  type WriteSafetensorsOptions,
} from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import {
  parseModelConfig,
  quantizeCheckpoint,
  type QuantizeOptions,
  readSafetensors,
} from "../src/index.ts";
import { quantizeBlocks } from "../src/weights/quantize-blocks.ts";
import { MemoryFiles, readWeights } from "./memory-files.ts";

const untied: ReferenceConfig = {
  ...tinyConfig,
  heads: 6,
  kvHeads: 2,
  tieWordEmbeddings: false,
  attentionBias: true,
};

async function quantize(
  reference: ReferenceConfig,
  options: QuantizeOptions,
  source = writeSafetensors(randomWeights(reference, 1)),
) {
  const files = new MemoryFiles({ "model.safetensors": source });
  const config = parseModelConfig(llamaConfigJson(reference));
  const weights = await readWeights(files, "model.safetensors");
  const progress: number[] = [];
  const parts: Uint8Array[] = [];
  await quantizeCheckpoint(
    config,
    weights,
    options,
    ({ location, offset, length }) => files.read(location, offset, length),
    async (bytes) => void parts.push(bytes.slice()),
    (fraction) => progress.push(fraction),
  );
  const result = Uint8Array.from(parts.flatMap((part) => [...part]));
  files.add("q.safetensors", result);
  const { tensors } = await readSafetensors(files, "q.safetensors");
  const bytesOf = (name: string): Uint8Array => {
    const { offset, length } = tensors.get(name)!;
    return result.slice(offset, offset + length);
  };
  const sourceOf = (name: string): Uint8Array => {
    const { offset, length } = weights.get(name)!;
    return source.slice(offset, offset + length);
  };
  return { tensors, progress, bytesOf, sourceOf, source, weights };
}

describe("quantizeCheckpoint", () => {
  test.for<[string, ReferenceConfig, WriteSafetensorsOptions, QuantizeOptions]>([
    ["q8 of a tied model", tinyConfig, { dtype: "F32" }, { bits: 8 }],
    ["q4 of a tied model in bfloat16", tinyConfig, { dtype: "BF16" }, { bits: 4, blockSize: 16 }],
    ["q4 of an untied model in float16", untied, { dtype: "F16" }, { bits: 4, headBits: 4 }],
  ])("replaces the linear weights and nothing else: %s", async ([, reference, stored, options]) => {
    const file = writeSafetensors(randomWeights(reference, 1), stored);
    const result = await quantize(reference, options, file);
    const { bits, headBits = 8, blockSize = 32 } = options;
    const values = readReference(file).tensors;
    const linear = [...values.keys()].filter((name) => /_proj\.weight$|^lm_head/.test(name));
    const expected = new Set([...values.keys()].filter((name) => !linear.includes(name)));
    if (!linear.includes("lm_head.weight")) linear.push("lm_head.weight");
    for (const name of linear) {
      expected.add(`${name}.quantized`).add(`${name}.scales`);
      const isHead = name === "lm_head.weight";
      const { shape, data } = values.get(name) ?? values.get("model.embed_tokens.weight")!;
      const [rows, cols] = shape as [number, number];
      const used = isHead ? headBits : bits;
      const { blob, scales } = quantizeBlocks(data, rows, cols, used, blockSize);
      const blocks = Math.ceil(cols / blockSize);
      expect(result.tensors.get(`${name}.quantized`)).toMatchObject({
        dtype: "U8",
        shape: [rows, blocks, (blockSize * used) / 8],
      });
      expect(result.tensors.get(`${name}.scales`)).toMatchObject({
        dtype: "F32",
        shape: [rows, blocks],
      });
      expect(result.bytesOf(`${name}.quantized`)).toEqual(blob);
      expect(result.bytesOf(`${name}.scales`)).toEqual(new Uint8Array(scales.buffer));
    }
    expect(new Set(result.tensors.keys())).toEqual(expected);
    for (const name of values.keys()) {
      if (!result.tensors.has(name)) continue;
      const { dtype, shape } = result.weights.get(name)!;
      expect(result.tensors.get(name)).toMatchObject({ dtype, shape });
      expect(result.bytesOf(name)).toEqual(result.sourceOf(name));
    }
  });

  test("puts the weights of one product side by side", async () => {
    const { tensors } = await quantize(untied, { bits: 4 });
    for (let layer = 0; layer < untied.layers; layer++) {
      const prefix = `model.layers.${layer}`;
      for (const group of [
        ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        ["mlp.gate_proj", "mlp.up_proj"],
      ]) {
        for (const part of ["quantized", "scales"]) {
          const entries = group.map((name) => tensors.get(`${prefix}.${name}.weight.${part}`)!);
          for (const [i, entry] of entries.slice(1).entries()) {
            expect(entry.offset).toBe(entries[i]!.offset + entries[i]!.length);
          }
        }
      }
    }
  });

  test("reports progress up to one", async () => {
    const { progress } = await quantize(tinyConfig, { bits: 8 });
    expect(progress.at(-1)).toBe(1);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress[0]).toBeGreaterThan(0);
  });

  test("refuses weights that are not finite, naming them", async () => {
    const weights = randomWeights(tinyConfig, 1);
    weights.get("model.layers.1.mlp.up_proj.weight")!.data[5] = Number.NaN;
    await expect(quantize(tinyConfig, { bits: 4 }, writeSafetensors(weights))).rejects.toThrow(
      expect.objectContaining({
        code: "range",
        message: "model.layers.1.mlp.up_proj.weight: weights: expected finite values, got NaN",
      }),
    );
  });

  test("refuses a checkpoint that does not fit the configuration", async () => {
    const bytes = writeSafetensors(randomWeights(tinyConfig, 1));
    const wide = { ...tinyConfig, intermediateSize: tinyConfig.intermediateSize + 1 };
    await expect(quantize(wide, { bits: 4 }, bytes)).rejects.toMatchObject({ code: "shape" });
    const more = { ...tinyConfig, layers: 3 };
    await expect(quantize(more, { bits: 4 }, bytes)).rejects.toMatchObject({ code: "format" });
  });

  test.for<[string, QuantizeOptions, string]>([
    ["three bits", { bits: 3 as never }, "bits: expected 4 or 8, got 3"],
    ["a head of 16 bits", { bits: 4, headBits: 16 as never }, "headBits: expected 4 or 8, got 16"],
    ["an odd block", { bits: 4, blockSize: 31 }, "blockSize: expected 16"],
  ])("refuses %s", async ([, options, message]) => {
    const error = await quantize(tinyConfig, options).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "InferenceError", code: "range" });
    expect((error as Error).message).toContain(message);
  });

  test("refuses a file that lost bytes since its header was read", async () => {
    const files = new MemoryFiles({ f: writeSafetensors(randomWeights(tinyConfig, 1)) });
    const weights = await readWeights(files, "f");
    const config = parseModelConfig(llamaConfigJson(tinyConfig));
    for (const lost of ["model.norm.weight", "model.layers.0.mlp.up_proj.weight"]) {
      const quantized = quantizeCheckpoint(
        config,
        weights,
        { bits: 8 },
        async (weight) => {
          const bytes = await files.read("f", weight.offset, weight.length);
          return weight === weights.get(lost) ? bytes.subarray(1) : bytes;
        },
        async () => {},
      );
      await expect(quantized).rejects.toMatchObject({ code: "format" });
      await expect(quantized).rejects.toThrow(`${lost}: expected`);
    }
  });
});
