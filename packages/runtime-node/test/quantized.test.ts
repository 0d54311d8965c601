import {
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { argMax, type LanguageModel, type Matrix } from "@frugal/core";
import type { QuantizeOptions } from "@frugal/runtime";
import {
  createReferenceTransformer,
  expectClose,
  largestDifference,
  loadReferenceWeights,
  parseLlamaConfig,
  type ReferenceConfig,
  seededRandom,
  type TensorMap,
  tinyConfig,
} from "@frugal/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadModel, type LoadOptions } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";
import { readQuantized } from "./read-quantized.ts";
import { goldenTexts, tinyFolder } from "./tiny-models.ts";

const cacheFolder = await mkdtemp(join(tmpdir(), "frugal-cache-"));
afterAll(() => rm(cacheFolder, { recursive: true, force: true }));

const odd: ReferenceConfig = {
  ...tinyConfig,
  hiddenSize: 40,
  intermediateSize: 50,
  heads: 6,
  kvHeads: 2,
  headDim: 6,
  tieWordEmbeddings: false,
  attentionBias: true,
  mlpBias: true,
};

describe("a quantized random model", () => {
  test.for<[string, ReferenceConfig, QuantizeOptions]>([
    ["q8", tinyConfig, { bits: 8 }],
    ["q4 with a head of 8 bits", tinyConfig, { bits: 4, blockSize: 16 }],
    ["q4 throughout, odd sizes", odd, { bits: 4, headBits: 4, blockSize: 16 }],
    ["q8 in large blocks, odd sizes", odd, { bits: 8, blockSize: 128 }],
  ])("is the reference transformer over the rounded weights: %s", async ([, config, quantize]) => {
    const random = await writeRandomModel(config);
    const options = {
      inline: true,
      quantize,
      cacheFolder: random.folder,
      accuracyLevel: 1,
    } as const;
    const model = await loadModel(random.folder, options);
    const [file] = (await readdir(random.folder)).filter((name) => name.includes("-q"));
    const tensors = readQuantized(await readFile(join(random.folder, file!)), config);
    const reference = referenceOf(config, tensors);
    const tokens = seededRandom(1).tokens(20, config.vocabSize);
    expectClose(await logitsOf(model, tokens), await logitsOf(reference, tokens), 1e-4);
    await model.dispose();
    await random.remove();
  });
});

describe("the embedded model in fewer bits", () => {
  const folder = tinyFolder("frugal-tiny");
  const texts = goldenTexts();
  let exact: Matrix[] = [];
  beforeAll(async () => {
    exact = await allLogits({});
  });

  /** Logits of every golden text. */
  async function allLogits(options: LoadOptions): Promise<Matrix[]> {
    const model = await loadModel(folder, { ...options, inline: true, cacheFolder });
    const all: Matrix[] = [];
    for (const tokens of texts) all.push(await logitsOf(model, tokens));
    await model.dispose();
    return all;
  }

  // Measured: see the README's table. The bounds leave room for other processors.
  test.for<[LoadOptions, number, number]>([
    [{ quantize: "q8" }, 0.97, 0.5],
    [{ quantize: "q8", accuracyLevel: 1 }, 0.97, 0.5],
    [{ quantize: "q4" }, 0.9, 5],
    [{ quantize: "q4", accuracyLevel: 1 }, 0.9, 5],
  ])("stays close to the stored weights: %o", async ([options, agreement, error]) => {
    const all = await allLogits(options);
    let [same, rows, worst] = [0, 0, 0];
    for (const [i, logits] of all.entries()) {
      worst = Math.max(worst, largestDifference(logits, exact[i]!));
      for (let row = 0; row < logits.rows; row++) {
        rows++;
        if (best(logits, row) === best(exact[i]!, row)) same++;
      }
    }
    if (process.env["MEASURE"] !== undefined) {
      console.log(JSON.stringify(options), `${same}/${rows}`, worst.toFixed(4));
    }
    expect(same / rows).toBeGreaterThanOrEqual(agreement);
    expect(worst).toBeLessThan(error);
  });

  test.for(["q8", "q4"] as const)("is the reference over the rounded weights: %s", async (bits) => {
    await allLogits({ quantize: bits });
    const [file] = (await readdir(cacheFolder)).filter((name) => name.includes(`-${bits}-`));
    const config = parseLlamaConfig(await readFile(new URL("config.json", folder), "utf8"));
    const tensors = readQuantized(await readFile(join(cacheFolder, file!)), config);
    const reference = referenceOf(config, tensors);
    const actual = await allLogits({ quantize: bits, accuracyLevel: 1 });
    const expected = await logitsOf(reference, texts[0]!);
    if (process.env["MEASURE"] !== undefined)
      console.log(bits, largestDifference(actual[0]!, expected));
    expectClose(actual[0]!, expected, 1e-4);
  });
});

describe("the cache of quantized weights", () => {
  const inline = true;

  test("is written once and then read, also by loads that start together", async () => {
    const random = await writeRandomModel();
    const cache = join(random.folder, "deep", "caché 模型");
    const options = { quantize: "q8", cacheFolder: cache } as const;
    const phases: string[] = [];
    const models = await Promise.all([
      loadModel(random.folder, {
        ...options,
        inline,
        onProgress: ({ phase }) => phases.push(phase),
      }),
      loadModel(random.folder, { ...options, inline }),
      loadModel(random.folder, options),
    ]);
    expect(phases).toContain("quantize");
    const [name, ...rest] = await readdir(cache);
    expect(rest).toEqual([]);
    expect(name).toMatch(/^frugal-test-\w+-q8-[0-9a-f]{16}\.safetensors$/);
    const path = join(cache, name!);
    // A time in the past, which a second writer would not leave.
    await utimes(path, 1e9, 1e9);
    phases.length = 0;
    const onProgress = ({ phase }: { phase: string }) => phases.push(phase);
    models.push(await loadModel(random.folder, { ...options, inline, onProgress }));
    expect(phases).toEqual(["load", "load"]);
    expect((await stat(path)).mtimeMs).toBe(1e12);
    expect(await readdir(cache)).toEqual([name]);
    const tokens = Uint32Array.of(1, 2, 3);
    const [first, ...others] = await Promise.all(models.map((model) => logitsOf(model, tokens)));
    for (const logits of others) expectClose(logits, first!, 1e-5);
    await Promise.all(models.map((model) => model.dispose()));
    await random.remove();
  });

  test("has a file for each choice of options, and a new one when the weights change", async () => {
    const random = await writeRandomModel();
    const cache = join(random.folder, "cache");
    const load = async (quantize: LoadOptions["quantize"]) => {
      await (
        await loadModel(random.folder, { quantize: quantize!, cacheFolder: cache, inline })
      ).dispose();
      return (await readdir(cache)).length;
    };
    expect(await load("q8")).toBe(1);
    expect(await load({ bits: 8, headBits: 8, blockSize: 32 })).toBe(1);
    expect(await load("q4")).toBe(2);
    expect(await load({ bits: 8, headBits: 4 })).toBe(3);
    expect(await load({ bits: 8, blockSize: 16 })).toBe(4);
    await utimes(join(random.folder, "model.safetensors"), 1e9, 1e9);
    expect(await load("q8")).toBe(5);
    await random.remove();
  });

  test("never uses what a process left unfinished", async () => {
    const random = await writeRandomModel();
    const cache = join(random.folder, "cache");
    const options = { quantize: "q4", cacheFolder: cache, inline } as const;
    await (await loadModel(random.folder, options)).dispose();
    const [name] = await readdir(cache);
    const path = join(cache, name!);
    const whole = await readFile(path);
    await rm(path);
    await writeFile(`${path}.1-2.partial`, whole.subarray(0, 100));
    await (await loadModel(random.folder, options)).dispose();
    expect(await readFile(path)).toEqual(whole);
    expect((await readFile(`${path}.1-2.partial`)).length).toBe(100);
    await random.remove();
  });

  test("leaves nothing behind when quantization fails", async () => {
    const random = await writeRandomModel();
    const cache = join(random.folder, "cache");
    const weights = join(random.folder, "model.safetensors");
    const bytes = await readFile(weights);
    // The last values of the file belong to the last norm; a NaN in the middle to some projection.
    bytes.fill(0xff, bytes.length >> 1, (bytes.length >> 1) + 64);
    await writeFile(weights, bytes);
    const load = loadModel(random.folder, { quantize: "q8", cacheFolder: cache, inline });
    await expect(load).rejects.toMatchObject({ name: "InferenceError", code: "range" });
    expect(await readdir(cache)).toEqual([]);
    await random.remove();
  });

  test.for([true, false])("says which folder it cannot write, inline: %s", async (here) => {
    const random = await writeRandomModel();
    const cache = join(random.folder, "config.json", "cache");
    const load = loadModel(random.folder, { quantize: "q8", cacheFolder: cache, inline: here });
    const error = await load.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
    expect((error as Error).message).toContain(cache);
    await random.remove();
  });

  test("refuses a damaged file of its own instead of reading nonsense", async () => {
    const random = await writeRandomModel();
    const cache = join(random.folder, "cache");
    const options = { quantize: "q8", cacheFolder: cache, inline } as const;
    await (await loadModel(random.folder, options)).dispose();
    const path = join(cache, (await readdir(cache))[0]!);
    await truncate(path, (await stat(path)).size - 1);
    await expect(loadModel(random.folder, options)).rejects.toMatchObject({ code: "format" });
    await random.remove();
  });

  test("lies where the environment says, if no folder is given", async () => {
    const random = await writeRandomModel();
    const cache = join(random.folder, "from-environment");
    process.env["FRUGAL_CACHE"] = cache;
    try {
      await (await loadModel(random.folder, { quantize: "q8", inline })).dispose();
    } finally {
      delete process.env["FRUGAL_CACHE"];
    }
    expect((await readdir(cache)).length).toBe(1);
    await random.remove();
  });
});

test("reads bfloat16 weights of the embedded model as the reference does", async () => {
  const folder = tinyFolder("frugal-tiny-draft");
  const reference = createReferenceTransformer(
    loadReferenceWeights(
      await readFile(new URL("config.json", folder), "utf8"),
      await readFile(new URL("model.safetensors", folder)),
    ),
  );
  const model = await loadModel(fileURLToPath(folder), { inline: true });
  const [tokens] = goldenTexts();
  expectClose(await logitsOf(model, tokens!), await logitsOf(reference, tokens!), 1e-3);
  await model.dispose();
});

function referenceOf(config: ReferenceConfig, tensors: TensorMap): LanguageModel {
  // The quantized head is apart even where the stored one is tied.
  return createReferenceTransformer({ config: { ...config, tieWordEmbeddings: false }, tensors });
}

async function logitsOf(model: LanguageModel, tokens: Uint32Array): Promise<Matrix> {
  const sequence = await model.createSequence();
  const { logits } = await sequence.step({ tokens }, { logits: "all" });
  await sequence.dispose();
  return logits!;
}

function best(logits: Matrix, row: number): number {
  return argMax(logits.data, row * logits.cols, logits.cols);
}
