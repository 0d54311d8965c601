import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { LanguageModel, Matrix } from "@frugal/core";
import {
  createReferenceTransformer,
  expectClose,
  llamaConfigJson,
  randomWeights,
  type ReferenceConfig,
  seededRandom,
  type TensorMap,
  tinyConfig,
  writeSafetensors,
} from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel, type LoadOptions } from "../src/index.ts";

const folder = await mkdtemp(join(tmpdir(), "frugal-test-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Writes tensors and a configuration as a folder of their own. */
async function write(name: string, config: ReferenceConfig, tensors: TensorMap): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "config.json"), JSON.stringify(llamaConfigJson(config)));
  await writeFile(join(path, "model.safetensors"), writeSafetensors(tensors, { dtype: "F32" }));
  return path;
}

/** The tensors of an adapter by their published names: attention and norms of layer 1 of a model. */
function adapterTensors(random: TensorMap): TensorMap {
  const names: [string, string][] = ["q", "k", "v", "o"].map((name) => [
    `layers.0.self_attn.${name}_proj.weight`,
    `model.layers.1.self_attn.${name}_proj.weight`,
  ]);
  names.push(["layers.0.input_layernorm.weight", "model.layers.1.input_layernorm.weight"]);
  names.push(["norm.weight", "model.norm.weight"]);
  return new Map(names.map(([to, from]) => [to, random.get(from)!]));
}

describe.for([true, false])("an adapter of a model whose head is tied: %s", (tieWordEmbeddings) => {
  const config: ReferenceConfig = {
    ...tinyConfig,
    heads: 4,
    kvHeads: 2,
    headDim: 4,
    tieWordEmbeddings,
  };
  const tensors = randomWeights(config, 1);
  const random = randomWeights(config, 2);
  const model = write(`model-${tieWordEmbeddings}`, config, tensors);
  const adapter = write(
    `adapter-${tieWordEmbeddings}`,
    { ...config, layers: 1 },
    adapterTensors(random),
  );

  /** A layer whose MLP gives nothing is an adapter. */
  const reference = (): LanguageModel => {
    const down = random.get("model.layers.1.mlp.down_proj.weight")!;
    const merged: TensorMap = new Map([
      ...random,
      ...[...tensors].filter(([name]) => isHead(name)),
    ]);
    const silent = { ...down, data: new Float32Array(down.data.length) };
    merged.set("model.layers.1.mlp.down_proj.weight", silent);
    return createReferenceTransformer({ config, tensors: merged }, { layers: [1, 2] });
  };
  const isHead = (name: string) => /embed_tokens|lm_head/.test(name);

  const load = async (options: LoadOptions = {}): Promise<LanguageModel> =>
    loadModel(await adapter, { inline: true, adapterOf: await model, ...options });

  test("is what the reference makes of its weights, block by block and for trees", async () => {
    const loaded = await load();
    expect(loaded.info).toMatchObject({ layers: 1, hiddenSize: 16, vocabSize: 32 });
    expect(loaded.capabilities.tokens).toBe(false);
    const width = 16;
    const attention = 2 * width * width + 2 * width * 8;
    expect(loaded.info.parameters).toBe(attention + 2 * width + 32 * width);
    const [actual, expected] = [await loaded.createSequence(), await reference().createSequence()];
    const source = seededRandom(3);
    for (const parents of [null, [-1, 0, 0], [-1, -1], null]) {
      const rows = parents?.length ?? 5;
      const data = Float32Array.from({ length: rows * 16 }, () => source.below(2000) / 1000 - 1);
      const embeddings: Matrix = { data, rows, cols: 16 };
      const block = { embeddings, ...(parents && { parents: Int32Array.from(parents) }) };
      const options = { logits: "all", taps: [0, 1] } as const;
      const before = actual.length;
      const [a, b] = [await actual.step(block, options), await expected.step(block, options)];
      expectClose(a.logits!, b.logits!, 1e-4);
      for (const tap of [0, 1]) expectClose(a.taps[tap]!, b.taps[tap]!, 1e-4);
      const kept = Uint32Array.from({ length: before + 1 }, (_, i) => i);
      for (const sequence of [actual, expected]) await sequence.keep(kept);
    }
    await loaded.dispose();
  });

  test("shares the head of a quantized model", async () => {
    const quantize = { bits: 8, headBits: 8, blockSize: 16 } as const;
    const loaded = await load({ quantize, accuracyLevel: 1, cacheFolder: join(folder, "cache") });
    const embeddings = { data: new Float32Array(16).fill(0.5), rows: 1, cols: 16 };
    const logits = async (one: LanguageModel): Promise<Matrix> =>
      (await (await one.createSequence()).step({ embeddings }, { logits: "last" })).logits!;
    expectClose(await logits(loaded), await logits(reference()), 0.1);
    await loaded.dispose();
  });
});

describe("an adapter that does not fit", () => {
  const wide: ReferenceConfig = { ...tinyConfig, layers: 2 };

  test("is refused, naming what differs", async () => {
    const model = await write("wide", wide, randomWeights(wide, 1));
    const narrow = { ...wide, hiddenSize: 8, layers: 1 };
    const other = await write(
      "narrow",
      narrow,
      adapterTensors(randomWeights({ ...narrow, layers: 2 }, 1)),
    );
    await expect(loadModel(other, { inline: true, adapterOf: model })).rejects.toMatchObject({
      code: "shape",
      message: expect.stringContaining("hiddenSize of 16, got 8") as string,
    });
    const whole = loadModel(model, { inline: true, adapterOf: model });
    await expect(whole).rejects.toThrow(/layers\.0\.input_layernorm\.weight/);
    const options = { inline: true, adapterOf: model, layers: [0, 1] } as const;
    await expect(loadModel(other, options)).rejects.toMatchObject({ code: "range" });
    const nowhere = loadModel(other, { inline: true, adapterOf: join(folder, "nowhere") });
    await expect(nowhere).rejects.toThrow(/nowhere: no such folder/);
  });
});
