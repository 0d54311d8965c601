import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parseModelConfig, parseVisionConfig } from "@frugal/runtime";
import { expectClose, readSafetensors, writeSafetensors } from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel, loadVisionTower } from "../src/index.ts";

type Json = Record<string, unknown>;

const folder = new URL("oracles/vision-language/", import.meta.url);
const scratch = await mkdtemp(join(tmpdir(), "frugal-test-"));
afterAll(() => rm(scratch, { recursive: true }));

const configOf = async (name: string): Promise<Json> =>
  JSON.parse(await readFile(new URL(`${name}/config.json`, folder), "utf8")) as Json;

/** Writes a model of the oracles with another configuration and other names of tensors. */
async function rewrite(
  name: string,
  config: Json,
  rename: (name: string) => string,
): Promise<string> {
  const target = await mkdtemp(join(scratch, `${name}-`));
  const { tensors } = readSafetensors(await readFile(new URL(`${name}/model.safetensors`, folder)));
  const renamed = new Map([...tensors].map(([key, tensor]) => [rename(key), tensor]));
  await writeFile(join(target, "model.safetensors"), writeSafetensors(renamed));
  await writeFile(join(target, "config.json"), JSON.stringify(config));
  return target;
}

/** Compares rows and logits of a text with those of the model that was rewritten. */
async function expectSame(name: string, at: string): Promise<void> {
  const golden = readSafetensors(await readFile(new URL(`${name}/golden.safetensors`, folder)));
  const { data, shape } = golden.tensors.get("input1.pixel_values")!;
  const grids = golden.integers.get("input1.image_grid_thw");
  const tower = await loadVisionTower(at);
  const rows = await tower.encode({
    pixel_values: { data, dims: shape },
    ...(grids && {
      image_grid_thw: { data: Int32Array.from(grids.data), dims: grids.shape },
    }),
  });
  await tower.dispose();
  const features = golden.tensors.get("input1.features")!;
  const [count, cols] = features.shape;
  expectClose(rows, { data: features.data, rows: count!, cols: cols! }, 1e-4);

  const model = await loadModel(at, { inline: true });
  const tokens = Uint32Array.from(golden.integers.get("input0.input_ids")!.data);
  const sequence = await model.createSequence();
  const { logits } = await sequence.step({ tokens }, { logits: "all" });
  const expected = golden.tensors.get("input0.logits")!;
  expectClose(
    logits!,
    { data: expected.data, rows: tokens.length, cols: model.info.vocabSize },
    1e-4,
  );
  await model.dispose();
}

describe("configurations and names of", () => {
  test("Qwen2-VL, flat, as transformers 4 wrote them first", async () => {
    const { text_config, vision_config, ...rest } = await configOf("qwen2-vl");
    const { rope_parameters: _, layer_types: __, model_type: ___, ...text } = text_config as Json;
    const { in_channels, rope_parameters: ____, ...vision } = vision_config as Json;
    const config = {
      ...text,
      ...rest,
      torch_dtype: "bfloat16",
      rope_theta: 100,
      rope_scaling: { type: "mrope", mrope_section: [2, 1, 1] },
      vision_config: { ...vision, in_chans: in_channels, model_type: "qwen2_vl" },
    };
    await expectSame("qwen2-vl", await rewrite("qwen2-vl", config, (name) => name));
  });

  test("Qwen2-VL, nested, as transformers 4.52 wrote them", async () => {
    const config = await configOf("qwen2-vl");
    const { rope_parameters: _, ...text } = config["text_config"] as Json;
    const rope = { rope_type: "default", type: "default", mrope_section: [2, 1, 1] };
    const older = { ...config, text_config: { ...text, rope_theta: 100, rope_scaling: rope } };
    const at = await rewrite("qwen2-vl", older, (name) =>
      name.startsWith("visual.")
        ? `model.${name}`
        : name.replace(/^model\./, "model.language_model."),
    );
    await expectSame("qwen2-vl", at);
  });

  test("LLaVA, with the prefixes of transformers 4.52 and without what is usual", async () => {
    const config = await configOf("llava");
    for (const field of ["vision_feature_layer", "vision_feature_select_strategy"]) {
      delete config[field];
    }
    const { model_type: _, ...vision } = config["vision_config"] as Json;
    const { rope_parameters: __, head_dim: ___, ...text } = config["text_config"] as Json;
    const older = { ...config, vision_config: vision, text_config: text };
    const at = await rewrite("llava", older, (name) =>
      name
        .replace(/^language_model\.lm_head/, "lm_head")
        .replace(/^language_model\.model\./, "model.language_model.")
        .replace(/^vision_tower\./, "model.vision_tower.vision_model.")
        .replace(/^multi_modal/, "model.multi_modal"),
    );
    await expectSame("llava", at);
  });

  test("Idefics3 that calls a head tied which the checkpoint has", async () => {
    const config = await configOf("idefics3");
    const text = { ...(config["text_config"] as Json), tie_word_embeddings: true };
    const at = await rewrite("idefics3", { ...config, text_config: text }, (name) => name);
    await expectSame("idefics3", at);
  });
});

test.for(["qwen2-vl", "llava"])("the decoder of %s loads in 8 bits", async (name) => {
  const golden = readSafetensors(await readFile(new URL(`${name}/golden.safetensors`, folder)));
  const tokens = Uint32Array.from(golden.integers.get("input0.input_ids")!.data);
  const { data } = golden.tensors.get("input0.logits")!;
  const options = { inline: true, quantize: "q8", accuracyLevel: 1, cacheFolder: scratch } as const;
  const model = await loadModel(new URL(`${name}/`, folder), options);
  const sequence = await model.createSequence();
  const { logits } = await sequence.step({ tokens }, { logits: "all" });
  const range = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const expected = { data, rows: tokens.length, cols: model.info.vocabSize };
  expectClose(logits!, expected, range / 20);
  await model.dispose();
});

describe("published configurations", () => {
  test("of LLaVA 1.5 state only what differs from Llama and CLIP", () => {
    const json = {
      model_type: "llava",
      text_config: { model_type: "llama", max_position_embeddings: 4096, vocab_size: 32064 },
      vision_config: {
        model_type: "clip_vision_model",
        hidden_size: 1024,
        image_size: 336,
        intermediate_size: 4096,
        num_attention_heads: 16,
        num_hidden_layers: 24,
        patch_size: 14,
      },
    };
    expect(parseModelConfig(json)).toMatchObject({
      hiddenSize: 4096,
      layers: 32,
      heads: 32,
      intermediateSize: 11008,
      maxLength: 4096,
    });
    const { projector } = parseVisionConfig(json);
    expect(projector).toMatchObject({ reads: [23], patchesOnly: true, activation: "gelu" });
    expect(projector!.linears.map(({ outputs }) => outputs)).toEqual([4096, 4096]);
  });

  test("of SmolVLM and Qwen2-VL", () => {
    const smol = parseVisionConfig({
      model_type: "idefics3",
      scale_factor: 4,
      text_config: { model_type: "llama", hidden_size: 576 },
      vision_config: {
        model_type: "idefics3",
        hidden_size: 768,
        image_size: 512,
        patch_size: 16,
        num_attention_heads: 12,
      },
    });
    expect(smol.positions).toEqual({ kind: "fraction", grid: [32, 32] });
    expect(smol.projector?.join).toEqual({ side: 4, from: "grid" });
    const qwen = parseVisionConfig({
      model_type: "qwen2_vl",
      hidden_size: 1536,
      vision_config: { depth: 32, embed_dim: 1280, hidden_size: 1536, mlp_ratio: 4 },
    });
    expect(qwen).toMatchObject({ layers: 32, heads: 16, intermediateSize: 5120, imageSize: null });
    expect(qwen.projector?.linears.map(({ outputs }) => outputs)).toEqual([5120, 1536]);
  });

  test.for<[Json, string, string]>([
    [{ model_type: "llava", vision_feature_layer: 13 }, "format", "vision_feature_layer"],
    [{ model_type: "llava", vision_feature_layer: [-2, "x"] }, "format", "got x"],
    [{ model_type: "llava", vision_feature_select_strategy: "cls" }, "unsupported", "strategy"],
    [{ model_type: "llava", text_config: 3 }, "format", "text_config"],
    [{ model_type: "llava", vision_config: { model_type: "pixtral" } }, "unsupported", "pixtral"],
    [
      { model_type: "qwen2_vl", hidden_size: 8, vision_config: { num_heads: 3 } },
      "format",
      "heads",
    ],
  ])("%o is refused: %s", ([json, code, part]) => {
    expect(() => parseVisionConfig(json)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(part) as string }) as Error,
    );
  });

  test.for<[Json, string, string]>([
    [{ mrope_section: [2, 1, 2] }, "format", "mrope_section: expected numbers that add up to 4"],
    [{ mrope_section: "2" }, "format", "mrope_section"],
    [{ mrope_section: [2, 1, 1], mrope_interleaved: true }, "unsupported", "mrope_interleaved"],
  ])("rope_parameters %o are refused: %s", async ([rope, code, part]) => {
    const config = await configOf("qwen2-vl");
    const text = { ...(config["text_config"] as Json), rope_parameters: rope };
    expect(() => parseModelConfig({ ...config, text_config: text })).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(part) as string }) as Error,
    );
  });
});
