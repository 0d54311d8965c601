import {
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import type { LanguageModel, Matrix } from "@frugal/core";
import {
  createReferenceTransformer,
  expectClose,
  llamaConfigJson,
  randomWeights,
  roundToBfloat16,
  seededRandom,
  type TensorMap,
  tinyConfig,
  writeSafetensors,
} from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel, type LoadOptions } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

const root = await mkdtemp(join(tmpdir(), "frugal-test-"));
afterAll(() => rm(root, { recursive: true, force: true }));

const weights = randomWeights(tinyConfig, 1);
const whole = writeSafetensors(weights);
const config = llamaConfigJson(tinyConfig);
const tokens = seededRandom(3).tokens(12, tinyConfig.vocabSize);
const expected = await logitsOf(createReferenceTransformer({ config: tinyConfig, seed: 1 }));

let folders = 0;
/** A folder with the given files; objects become JSON. */
async function folderOf(files: Record<string, Uint8Array | string | object>): Promise<string> {
  const folder = join(root, String(++folders));
  await mkdir(folder);
  for (const [name, content] of Object.entries(files)) {
    const isRaw = typeof content === "string" || content instanceof Uint8Array;
    await writeFile(join(folder, name), isRaw ? content : JSON.stringify(content));
  }
  return folder;
}

async function logitsOf(model: LanguageModel): Promise<Matrix> {
  const sequence = await model.createSequence();
  const { logits } = await sequence.step({ tokens }, { logits: "all" });
  await sequence.dispose();
  return logits!;
}

/** Loads on this thread, compares with the reference and disposes. */
async function expectLoads(folder: string | URL, reference = expected, tolerance = 1e-4) {
  const model = await loadModel(folder, { inline: true });
  expectClose(await logitsOf(model), reference, tolerance);
  await model.dispose();
}

const failure = (load: Promise<unknown>) => load.catch((reason: unknown) => reason);

describe("loadModel refuses", () => {
  test("a URL of a kind that it does not know", async () => {
    const error = await failure(loadModel(new URL("ftp://example.invalid/model")));
    expect(error).toMatchObject({ name: "InferenceError", code: "unsupported" });
    expect((error as Error).message).toContain("got ftp://example.invalid/model");
  });

  const index = (name: unknown) => ({
    "config.json": config,
    "model.safetensors.index.json": { weight_map: { a: name } },
  });

  test.for<[string, Record<string, Uint8Array | string | object>, string, string]>([
    [
      "an empty folder",
      {},
      "format",
      "an ONNX graph or one GGUF file (`file` says which), found no files",
    ],
    ["a folder without weights", { "config.json": config }, "format", "found config.json"],
    [
      "a folder without a configuration",
      { "model.safetensors": whole },
      "format",
      "config.json: no such file",
    ],
    [
      "weights cut short",
      { "config.json": config, "model.safetensors": whole.subarray(0, -100) },
      "format",
      "truncated?",
    ],
    [
      "weights of no bytes",
      { "config.json": config, "model.safetensors": new Uint8Array() },
      "format",
      "model.safetensors: safetensors: expected at least 8 bytes, got 0",
    ],
    [
      "another architecture",
      { "config.json": { ...config, model_type: "mamba" }, "model.safetensors": whole },
      "unsupported",
      'got "mamba"',
    ],
    [
      "weights of another shape",
      { "config.json": { ...config, intermediate_size: 25 }, "model.safetensors": whole },
      "shape",
      "from config.json, got [24, 16]",
    ],
    [
      "a missing layer",
      { "config.json": { ...config, num_hidden_layers: 3 }, "model.safetensors": whole },
      "format",
      "model.layers.2",
    ],
    ["a shard outside the folder", index("../x"), "format", 'bad file name "../x"'],
    ["a shard that is missing", index("x.safetensors"), "format", "x.safetensors: no such file"],
  ])("%s", async ([, files, code, message]) => {
    const folder = await folderOf(files);
    for (const inline of [true, false]) {
      const error = await failure(loadModel(folder, { inline }));
      expect(error).toMatchObject({ name: "InferenceError", code });
      expect((error as Error).message).toContain(message);
    }
  });

  test("a folder that is none, naming it", async () => {
    const file = join(await folderOf({ "config.json": config }), "config.json");
    for (const path of [join(root, "nowhere"), file, join(file, "below")]) {
      const error = await failure(loadModel(path, { inline: true }));
      expect(error).toMatchObject({ name: "InferenceError", code: "format" });
      expect((error as Error).message).toContain(path);
    }
  });

  test("what the file system does not let it read, naming it", async () => {
    const folder = await folderOf({ "model.safetensors": whole });
    await mkdir(join(folder, "config.json"));
    const error = await failure(loadModel(folder, { inline: true }));
    expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
    expect((error as Error).message).toContain(join(folder, "config.json"));
    const nul = await failure(loadModel(`${folder}\0`, { inline: true }));
    expect(nul).toMatchObject({ name: "InferenceError", code: "backend" });
  });

  test.for<[unknown, string, string]>([
    [{ device: "nope" }, "unsupported", 'got "nope"'],
    [{ device: "__proto__" }, "unsupported", 'got "__proto__"'],
    [{ threads: 0 }, "range", "threads: expected a positive integer, got 0"],
    [{ threads: -1 }, "range", "threads"],
    [{ threads: 1.5 }, "range", "threads"],
    [{ threads: Number.NaN }, "range", "got NaN"],
    [{ chunk: 0.5 }, "range", "chunk: expected a positive integer, got 0.5"],
    [{ chunk: 0 }, "range", "chunk"],
    [{ chunk: Infinity }, "range", "chunk"],
    [{ quantize: "q5" }, "range", 'quantize: expected "none", "q8", "q4" or options, got "q5"'],
    [{ quantize: { bits: 5 } }, "range", 'got {"bits":5}'],
    [{ quantize: { bits: 4, headBits: 5 } }, "range", "headBits: expected 4 or 8, got 5"],
    [{ quantize: { bits: 4, blockSize: 20 } }, "range", "blockSize"],
    [{ accuracyLevel: 7 }, "range", "accuracyLevel: expected 0, 1 or 4, got 7"],
  ])("the options %o", async ([options, code, message]) => {
    const folder = await folderOf({ "config.json": config, "model.safetensors": whole });
    for (const inline of [true, false]) {
      const all = { cacheFolder: folder, ...(options as LoadOptions), inline };
      const error = await failure(loadModel(folder, all));
      expect(error).toMatchObject({ name: "InferenceError", code });
      expect((error as Error).message).toContain(message);
    }
  });

  test("a device that is not there, with the reason", async ({ skip }) => {
    const folder = await folderOf({ "config.json": config, "model.safetensors": whole });
    for (const inline of [true, false]) {
      const outcome = await loadModel(folder, { device: "cuda", inline }).then(
        (model) => model.dispose().then(() => skip("this machine has CUDA")),
        (reason: unknown) => reason,
      );
      expect(outcome).toMatchObject({ name: "InferenceError", code: "unsupported" });
      expect((outcome as Error).message).toMatch(/^device: .*"cuda"/);
    }
  });

  test("to begin when it is aborted already", async () => {
    const signal = AbortSignal.abort("enough");
    expect(await failure(loadModel(root, { signal }))).toBe("enough");
  });
});

describe("loadModel reads", () => {
  test.for(["F32", "F16", "BF16"] as const)("weights stored as %s", async (dtype) => {
    // Values that every type can hold, so that nothing is lost on the way.
    const tensors: TensorMap = roundToBfloat16(weights);
    for (const { data } of tensors.values()) data.forEach((x, i) => (data[i] = toEighths(x)));
    const model = createReferenceTransformer({ config: tinyConfig, tensors });
    const bytes = writeSafetensors(tensors, { dtype });
    const folder = await folderOf({ "config.json": config, "model.safetensors": bytes });
    await expectLoads(folder, await logitsOf(model));
  });

  test("a folder given as a URL", async () => {
    const folder = await folderOf({ "config.json": config, "model.safetensors": whole });
    await expectLoads(pathToFileURL(folder));
  });

  test("shards, also where the weights of one product lie in two of them", async () => {
    const all = [...weights];
    for (const cut of [2, 9, all.length - 1]) {
      const [a, b] = [all.slice(0, cut), all.slice(cut)];
      const map = all.map(([name], i) => [name, i < cut ? "a.safetensors" : "b.safetensors"]);
      const folder = await folderOf({
        "config.json": config,
        "a.safetensors": writeSafetensors(new Map(a)),
        "b.safetensors": writeSafetensors(new Map(b)),
        "model.safetensors.index.json": { weight_map: Object.fromEntries(map) },
      });
      await expectLoads(folder);
      const options = { inline: true, quantize: "q8", cacheFolder: folder } as const;
      const quantized = await loadModel(folder, options);
      expectClose(await logitsOf(quantized), expected, 0.5);
      await quantized.dispose();
    }
  });

  test("weights in whatever order the file has them", async () => {
    const bytes = writeSafetensors(new Map([...weights].toReversed()));
    await expectLoads(await folderOf({ "config.json": config, "model.safetensors": bytes }));
  });

  test("the Hub's cache, where every file is a link", async () => {
    const hub = join(root, "models--frugal--tiny");
    const [blobs, snapshot] = [join(hub, "blobs"), join(hub, "snapshots", "0123abc")];
    await mkdir(blobs, { recursive: true });
    await mkdir(snapshot, { recursive: true });
    const files = { "config.json": JSON.stringify(config), "model.safetensors": whole };
    for (const [i, [name, content]] of Object.entries(files).entries()) {
      await writeFile(join(blobs, `hash${i}`), content);
      await symlink(join("..", "..", "blobs", `hash${i}`), join(snapshot, name));
    }
    await expectLoads(snapshot);
  });

  test("shards behind links that lead to two folders not at all, and says so", async () => {
    const [first, second] = [[...weights].slice(0, 5), [...weights].slice(5)];
    const map = [...weights.keys()].map((name, i) => [name, i < 5 ? "a" : "b"]);
    const folder = await folderOf({
      "config.json": config,
      a: writeSafetensors(new Map(first)),
      "model.safetensors.index.json": { weight_map: Object.fromEntries(map) },
    });
    const other = await folderOf({ b: writeSafetensors(new Map(second)) });
    await symlink(join(other, "b"), join(folder, "b"));
    const error = await failure(loadModel(folder, { inline: true }));
    expect(error).toMatchObject({ name: "InferenceError", code: "unsupported" });
    expect((error as Error).message).toContain("expected all shards in one folder");
  });

  test("a folder and a file whose names are not ASCII", async () => {
    const folder = join(root, "modèle 模型 😀");
    const random = await writeRandomModel();
    await rename(random.folder, folder);
    await expectLoads(folder);
    const model = await loadModel(folder, { inline: true, quantize: "q8", cacheFolder: folder });
    expectClose(await logitsOf(model), expected, 0.5);
    await model.dispose();
    const named = join(root, "вес");
    await mkdir(named);
    await copyFile(join(folder, "config.json"), join(named, "config.json"));
    await writeFile(join(root, "вес.bin"), await readFile(join(folder, "model.safetensors")));
    await symlink(join(root, "вес.bin"), join(named, "model.safetensors"));
    await expectLoads(named);
  });
});

function toEighths(x: number): number {
  return Math.round(x * 8) / 8;
}
