import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Matrix } from "@frugal/core";
import { parseVisionConfig } from "@frugal/runtime";
import { expectClose, readSafetensors } from "@frugal/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadVisionTower } from "../src/index.ts";

const folder = new URL("oracles/vision-encoders/", import.meta.url);
const names = await readdir(folder);
const layers = ["hidden.0", "hidden.1", "hidden.2", "hidden.3", "hidden.final"];
const pooled = ["clip", "clip-vision", "siglip", "siglip-vision", "vit", "vit-wide"];

type Json = Record<string, unknown>;

const configOf = async (name: string): Promise<Json> =>
  JSON.parse(await readFile(new URL(`${name}/config.json`, folder), "utf8")) as Json;

describe.for(names)("%s", (name) => {
  const outputs = pooled.includes(name) ? [...layers, "pooled"] : layers;

  test.for(outputs)("%s is that of transformers", async (output) => {
    const golden = readSafetensors(await readFile(new URL(`${name}/golden.safetensors`, folder)));
    const tower = await loadVisionTower(new URL(`${name}/`, folder), { output });
    expect(tower.inputs).toEqual(["pixel_values"]);
    for (const i of [0, 1, 2]) {
      const { data: pixels, shape: dims } = golden.tensors.get(`input${i}.pixel_values`)!;
      const { data, shape } = golden.tensors.get(`input${i}.${output}`)!;
      const cols = shape.at(-1)!;
      const expected: Matrix = { data, rows: data.length / cols, cols };
      expectClose(await tower.encode({ pixel_values: { data: pixels, dims } }), expected, 1e-4);
    }
    await tower.dispose();
  });

  test.skipIf(name === "vit-wide")("takes images of other sizes", async () => {
    const golden = readSafetensors(await readFile(new URL(`${name}/golden.safetensors`, folder)));
    for (const i of [0, 1, 2]) {
      const { data: pixels, shape: dims } = golden.tensors.get(`resized${i}.pixel_values`)!;
      const { data, shape } = golden.tensors.get(`resized${i}.hidden`)!;
      const cols = shape.at(-1)!;
      const tower = await loadVisionTower(new URL(`${name}/`, folder), {
        output: "hidden.3",
        imageSize: [dims[2]!, dims[3]!],
      });
      const rows = await tower.encode({ pixel_values: { data: pixels, dims } });
      expectClose(rows, { data, rows: data.length / cols, cols }, 1e-4);
      await tower.dispose();
    }
  });

  test("has the outputs of the oracle, and no others", async () => {
    const golden = readSafetensors(await readFile(new URL(`${name}/golden.safetensors`, folder)));
    const made = [...golden.tensors.keys()].filter((key) => key.startsWith("input0."));
    expect(made.toSorted()).toEqual(
      ["pixel_values", ...outputs].map((key) => `input0.${key}`).toSorted(),
    );
    const error = loadVisionTower(new URL(`${name}/`, folder), { output: "hidden.4" });
    await expect(error).rejects.toMatchObject({
      code: "range",
      message: expect.stringContaining(`hidden.3, got hidden.4`) as string,
    });
  });
});

describe("configurations", () => {
  test("of larger models leave out what is usual", () => {
    const clip = parseVisionConfig({
      model_type: "clip",
      projection_dim: 768,
      vision_config: { model_type: "clip_vision_model", projection_dim: 512, patch_size: 16 },
    });
    expect(clip).toMatchObject({ hiddenSize: 768, layers: 12, imageSize: [224, 224] });
    expect(clip.patchSize).toEqual([16, 16]);
    expect(clip).toMatchObject({ activation: "quick-gelu", pooling: { outputs: 768 } });
    const siglip = parseVisionConfig({
      model_type: "siglip",
      vision_config: { model_type: "siglip_vision_model" },
    });
    expect(siglip).toMatchObject({ activation: "gelu-tanh", norm: { epsilon: 1e-6 } });
    expect(siglip.positions).toEqual({ kind: "table", grid: [14, 14] });
  });

  test.for<[Json, string, string]>([
    [{ model_type: "swin" }, "unsupported", "model_type: expected one of"],
    [{ model_type: "vit", hidden_act: "relu" }, "unsupported", 'hidden_act: expected "gelu"'],
    [{ model_type: "vit", pooler_act: "relu" }, "unsupported", "pooler_act"],
    [{ model_type: "vit", num_attention_heads: 7 }, "format", "num_attention_heads 7"],
    [{ model_type: "vit", patch_size: 225 }, "format", "patch_size 225"],
    [
      { model_type: "vit", image_size: [224, 224, 3] },
      "format",
      "image_size: expected a number or",
    ],
    [{ model_type: "vit", image_size: [224, -1] }, "format", "width: expected a positive integer"],
    [{ model_type: "clip", vision_config: 3 }, "format", "vision_config"],
  ])("%o is refused: %s", ([json, code, part]) => {
    expect(() => parseVisionConfig(json)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(part) as string }) as Error,
    );
  });
});

describe("bad input", () => {
  let scratch: string;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), "frugal-test-"));
    await cp(fileURLToPath(new URL("vit/", folder)), scratch, { recursive: true });
  });
  afterAll(() => rm(scratch, { recursive: true }));

  test("of another size is refused, and so is a missing one", async () => {
    const tower = await loadVisionTower(new URL("vit/", folder));
    const encode = (dims: number[]) => {
      const data = new Float32Array(dims.reduce((size, dim) => size * dim, 1));
      return tower.encode({ pixel_values: { data, dims } });
    };
    for (const dims of [
      [1, 3, 12, 8],
      [1, 1, 12, 12],
      [3, 12, 12],
    ]) {
      await expect(encode(dims)).rejects.toMatchObject({
        code: "shape",
        message: expect.stringContaining(
          `expected [n, 3, 12, 12], got [${dims.join(", ")}]`,
        ) as string,
      });
    }
    await expect(tower.encode({})).rejects.toMatchObject({ code: "shape" });
    await tower.dispose();
    await expect(encode([1, 3, 12, 12])).rejects.toMatchObject({ code: "state" });
  });

  test.for<[number | [number, number], string]>([
    [3, "expected at least 4 x 4 pixels, got 3 x 3"],
    [[12, 2], "got 12 x 2"],
    [12.5, "got 12.5 x 12.5"],
  ])("an image size of %o is refused", async ([imageSize, part]) => {
    await expect(loadVisionTower(new URL("vit/", folder), { imageSize })).rejects.toMatchObject({
      code: "range",
      message: expect.stringContaining(part) as string,
    });
  });

  test.for<[Json, string, string]>([
    [{ image_size: 16 }, "shape", "embeddings.position_embeddings: expected [408]"],
    [{ patch_size: 3, image_size: 9 }, "shape", "embeddings.patch_embeddings.projection.weight"],
    [{ num_hidden_layers: 4 }, "format", "encoder.layer.3"],
    [{ model_type: "siglip_vision_model" }, "format", "embeddings.patch_embedding.weight"],
  ])("a configuration with %o does not fit the weights", async ([change, code, part]) => {
    const json = { ...(await configOf("vit")), ...change };
    await writeFile(join(scratch, "config.json"), JSON.stringify(json));
    await expect(loadVisionTower(scratch)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(part) as string,
    });
  });
});
