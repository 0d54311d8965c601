import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { basename, join } from "node:path";

import type { LanguageModel, Matrix } from "@frugal/core";
import {
  createReferenceTransformer,
  expectClose,
  llamaConfigJson,
  randomWeights,
  type ReferenceConfig,
  rowsOf,
  tinyConfig,
  writeSafetensors,
} from "@frugal/testkit";
import { type ExportStyle, writeExport } from "@frugal/testkit/export-decoder";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel, type LoadOptions, loadVisionEncoder } from "../../src/index.ts";
import { writePatchEncoder, writeVisionEncoder } from "./export-vision.ts";

const config: ReferenceConfig = { ...tinyConfig, heads: 4, kvHeads: 2, headDim: 16 };
const tensors = randomWeights(config, 1);
const tokens = Uint32Array.of(3, 1, 4, 1, 5, 9, 2, 6);

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

/** Folder of an export that is removed at the end. */
async function folderOf(style: ExportStyle, layout?: "optimum" | "genai"): Promise<string> {
  const { folder } = await writeExport(config, tensors, style, layout);
  folders.push(folder);
  return folder;
}

async function open<T>(
  source: string | URL,
  use: (model: LanguageModel) => Promise<T>,
  options: LoadOptions = {},
): Promise<T> {
  const model = await loadModel(source, { inline: true, ...options });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

async function logitsOf(model: LanguageModel, ids: Uint32Array = tokens): Promise<Matrix> {
  const sequence = await model.createSequence();
  const { logits } = await sequence.step({ tokens: ids }, { logits: "all" });
  await sequence.dispose();
  return logits!;
}

const failure = (load: Promise<unknown>) => load.catch((reason: unknown) => reason as Error);

const expected = await open(await folderOf({ attention: "concat" }), (model) => logitsOf(model));

describe("float16", () => {
  test("caches are rolled back, evicted and re-rotated", async () => {
    const wide = await folderOf({ attention: "grouped" });
    const narrow = await folderOf({ attention: "grouped", type: "float16" });
    const run = (folder: string) =>
      open(folder, async (model) => {
        const sequence = await model.createSequence();
        await sequence.step({ tokens }, { logits: "none" });
        await sequence.keep(Uint32Array.of(0, 3, 4, 5, 7));
        await sequence.keep(Uint32Array.of(0, 1, 2, 3));
        const { logits } = await sequence.step(
          { tokens: tokens.subarray(0, 3) },
          { logits: "all" },
        );
        const { top } = await sequence.step({ tokens }, { logits: { top: 3, rows: "last" } });
        expect([top!.rows, top!.k]).toEqual([1, 3]);
        return logits!;
      });
    expectClose(await run(narrow), await run(wide), 0.02);
  });

  test("embeddings are rounded on their way into the graph", async () => {
    const folder = await folderOf({ attention: "concat", split: true, type: "float16" });
    const table = tensors.get("model.embed_tokens.weight")!.data;
    const { hiddenSize: cols } = config;
    const data = new Float32Array(tokens.length * cols);
    tokens.forEach((id, i) => data.set(table.subarray(id * cols, (id + 1) * cols), i * cols));
    const actual = await open(folder, async (model) => {
      const sequence = await model.createSequence();
      const embeddings = { data, rows: tokens.length, cols };
      return (await sequence.step({ embeddings }, { logits: "all" })).logits!;
    });
    expectClose(actual, expected, 0.02);
  });
});

describe("the files of an export", () => {
  test("may be links, as they are in the cache of the Hub", async () => {
    for (const style of [
      { attention: "concat", dataFile: "x" },
      { attention: "grouped", dataFile: "x" },
    ] as const) {
      const folder = await folderOf(style);
      const blobs = await mkdir(join(folder, "..", `${basename(folder)}-blobs`), {
        recursive: true,
      });
      folders.push(blobs!);
      let count = 0;
      for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const [path, blob] = [join(entry.parentPath, entry.name), join(blobs!, `hash${count++}`)];
        await rename(path, blob);
        await symlink(blob, path);
      }
      const actual = await open(folder, (model) => {
        expect(model.capabilities.top).toBe(true);
        return logitsOf(model);
      });
      expectClose(actual, expected, 1e-4);
    }
  });

  test("are chosen by variant, and by format", async () => {
    const folder = await folderOf({ attention: "concat" });
    const half = await folderOf({ attention: "concat", type: "float16" });
    await copyFile(join(half, "onnx/model.onnx"), join(folder, "onnx/model_fp16.onnx"));
    await writeFile(join(folder, "model.safetensors"), writeSafetensors(tensors));
    const kinds = [
      [{}, true],
      [{ format: "safetensors" }, true],
      [{ format: "onnx" }, false],
      [{ format: "onnx", variant: "fp16" }, false],
      [{ format: "onnx", variant: "fp32" }, false],
    ] as const;
    for (const [options, tree] of kinds) {
      const check = async (model: LanguageModel) => {
        // This export has no mask for trees; every graph that is built here has.
        expect(model.capabilities.tree).toBe(tree);
        return logitsOf(model);
      };
      const isHalf = "variant" in options && options.variant === "fp16";
      expectClose(await open(folder, check, options), expected, isHalf ? 0.02 : 1e-4);
    }
    const missing = await failure(open(folder, logitsOf, { format: "onnx", variant: "q4" }));
    expect(missing).toMatchObject({ name: "InferenceError", code: "format" });
    expect((missing as Error).message).toContain("onnx/model_fp16.onnx");
    for (const options of [{ format: "pt" }, { variant: "fp8" }]) {
      const bad = await failure(open(folder, logitsOf, options as unknown as LoadOptions));
      expect(bad).toMatchObject({ name: "InferenceError", code: "range" });
    }
  });

  test("work in a thread of their own, too", async () => {
    const folder = await folderOf({ attention: "bias" });
    expectClose(await open(folder, (model) => logitsOf(model), { inline: false }), expected, 1e-4);
  });

  test("that are broken give an error that says so", async () => {
    const folder = await folderOf({ attention: "concat" });
    const path = join(folder, "onnx/model.onnx");
    const whole = await readFile(path);
    const cuts = [0, 1, 10, 1000, whole.length - 1].map((end) => whole.subarray(0, end));
    for (const bytes of [...cuts, Buffer.from("not a model")]) {
      await writeFile(path, bytes);
      const error = await failure(open(folder, logitsOf));
      expect(error).toMatchObject({ name: "InferenceError" });
    }
    await writeFile(path, whole);
    await writeFile(join(folder, "config.json"), "{");
    expect(await failure(open(folder, logitsOf))).toMatchObject({
      message: "config.json: not JSON",
    });
    await rm(join(folder, "config.json"));
    const bare = await failure(open(folder, logitsOf));
    expect((bare as Error).message).toBe("exported model: no configuration gives its length");
  });

  test("that lie outside their folder are not read", async () => {
    const folder = await folderOf({ attention: "concat", dataFile: "../evil" });
    const path = join(folder, "onnx/model.onnx");
    const bytes = await readFile(path);
    // The same length, so that the lengths of the messages around it stay right.
    const text = bytes.toString("latin1").replaceAll("model.onnx_data", "../../evil_data");
    await writeFile(path, Buffer.from(text, "latin1"));
    const error = await failure(open(folder, logitsOf));
    expect((error as Error).message).toContain("bad file name");
  });
});

describe("what an export cannot do", () => {
  test("absolute positions with a counting operator: gaps are refused", async () => {
    const folder = await folderOf({ attention: "grouped" });
    await open(folder, async (model) => {
      expect(model.capabilities).toMatchObject({ positions: false, evict: true, tree: false });
      const sequence = await model.createSequence({ positions: "absolute" });
      await sequence.step({ tokens }, { logits: "none" });
      const gap = await failure(sequence.keep(Uint32Array.of(0, 2)));
      expect(gap).toMatchObject({ name: "InferenceError", code: "unsupported" });
      expect(sequence.length).toBe(tokens.length);
    });
  });

  test("eviction without knowing how keys are rotated: only with positions that stay", async () => {
    const folder = await folderOf({ attention: "concat" });
    const json = { ...llamaConfigJson(config), model_type: "something-new" };
    await writeFile(join(folder, "config.json"), JSON.stringify(json));
    await open(folder, async (model) => {
      expect(model.capabilities.evict).toBe(false);
      expect(model.info.architecture).toBe("something-new");
      expectClose(await logitsOf(model), expected, 1e-4);
      const relative = await model.createSequence();
      await relative.step({ tokens }, { logits: "none" });
      expect(await failure(relative.keep(Uint32Array.of(1)))).toMatchObject({
        code: "unsupported",
      });
      const absolute = await model.createSequence({ positions: "absolute" });
      await absolute.step({ tokens }, { logits: "none" });
      await absolute.keep(Uint32Array.of(0, 5, 6));
      expect(absolute.length).toBe(3);
    });
  });
});

test("eviction turns keys by the tables of the graph, whatever the model is called", async () => {
  const folder = await folderOf({ attention: "grouped", dataFile: "x" });
  const json = { ...llamaConfigJson(config), model_type: "something-new", rope_theta: 7 };
  await writeFile(join(folder, "config.json"), JSON.stringify(json));
  const evict = async (model: LanguageModel): Promise<Matrix> => {
    expect(model.capabilities.evict).toBe(true);
    const sequence = await model.createSequence();
    await sequence.step({ tokens }, { logits: "none" });
    await sequence.keep(Uint32Array.of(0, 4, 5, 7));
    return (await sequence.step({ tokens: tokens.subarray(2, 5) }, { logits: "all" })).logits!;
  };
  const wanted = await evict(createReferenceTransformer({ config, tensors }));
  expectClose(await open(folder, evict), wanted, 1e-4);
});

test("options that need a graph that is built here are refused", async () => {
  const folder = await folderOf({ attention: "concat" });
  for (const [name, option] of Object.entries({
    layers: [0, 1],
    quantize: "q8",
    adapterOf: folder,
  })) {
    const error = await failure(open(folder, logitsOf, { [name]: option }));
    expect(error).toMatchObject({ name: "InferenceError", code: "unsupported" });
    expect((error as Error).message).toContain(`${name}: `);
  }
});

describe("images", () => {
  test("go through the encoder, some of their rows, and between the tokens", async () => {
    const folder = await folderOf({ attention: "concat", split: true });
    const images = await writeVisionEncoder(join(folder, "onnx"), config.hiddenSize);
    const encoder = await loadVisionEncoder(folder);
    expect(encoder.inputs).toEqual(["pixel_values", "pixel_attention_mask"]);
    const mask = { data: Int32Array.of(1, 1, 0), dims: [1, 3] };
    const rows = await encoder.encode({ pixel_values: images.input, pixel_attention_mask: mask });
    expectClose(rows, images.expected, 1e-5);
    for (const bad of [
      {},
      { pixel_values: images.input },
      { pixel_values: images.input, pixel_attention_mask: mask, other: mask },
      { pixel_values: { ...images.input, dims: [1] }, pixel_attention_mask: mask },
      { pixel_values: { ...images.input, dims: [1, 4, 3] }, pixel_attention_mask: mask },
      { pixel_values: { ...images.input, dims: [1, 1, 3, 4] }, pixel_attention_mask: mask },
    ]) {
      expect(await failure(encoder.encode(bad))).toMatchObject({ code: "shape" });
    }
    await encoder.dispose();
    await encoder.dispose();

    // Pruned to its first and last row, spliced between the tokens: in pieces or in one block.
    const { cols, data } = rows;
    const kept = new Float32Array([...data.subarray(0, cols), ...data.subarray(2 * cols)]);
    const table = tensors.get("model.embed_tokens.weight")!.data;
    const textRow = (id: number) => table.subarray(id * cols, (id + 1) * cols);
    await open(folder, async (model) => {
      const pieces = await model.createSequence();
      await pieces.step({ tokens: Uint32Array.of(3, 1) }, { logits: "none" });
      await pieces.step({ embeddings: { data: kept, rows: 2, cols } }, { logits: "none" });
      const { logits: last } = await pieces.step({ tokens: Uint32Array.of(5) }, { logits: "last" });

      const whole = await model.createSequence();
      const joined = new Float32Array([...textRow(3), ...textRow(1), ...kept, ...textRow(5)]);
      const block = { embeddings: { data: joined, rows: 5, cols } };
      const { logits } = await whole.step(block, { logits: "all" });
      expectClose(last!, rowsOf(logits!, 4), 1e-4);
    });
  });

  test("of a size that shows to be wrong inside of the graph are refused for it", async () => {
    const folder = await folderOf({ attention: "concat", split: true });
    const patches = 6;
    await writePatchEncoder(join(folder, "onnx/vision_encoder.onnx"), config.hiddenSize, patches);
    const encoder = await loadVisionEncoder(folder);
    const encode = (count: number) =>
      encoder.encode({
        pixel_values: { data: new Float32Array(count * 4), dims: [1, count, 4] },
      });
    expect((await encode(patches)).rows).toBe(patches);
    for (const count of [5, 7, 12]) {
      const error = await failure(encode(count));
      expect(error).toMatchObject({ name: "InferenceError", code: "shape" });
      expect((error as Error).message).toContain(`pixel_values [1, ${count}, 4]`);
    }
    await encoder.dispose();
  });

  test("need an encoder", async () => {
    const folder = await folderOf({ attention: "concat" });
    const error = await failure(loadVisionEncoder(folder));
    expect(error).toMatchObject({ name: "InferenceError", code: "format" });
  });
});
