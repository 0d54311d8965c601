import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { expectClose, readSafetensors } from "@frugal/testkit";
import { afterAll, beforeEach, describe, expect, test } from "vitest";

import { loadModel, type LoadOptions } from "../src/index.ts";
import { splitGguf } from "../src/hub/model-source.ts";
import { startHub } from "./hub/hub-server.ts";

const oracles = new URL("oracles/gguf/", import.meta.url);
const oracle = (name: string): string => fileURLToPath(new URL(`${name}/model.gguf`, oracles));

const root = await mkdtemp(join(tmpdir(), "frugal-gguf-"));
afterAll(() => rm(root, { recursive: true }));
let cacheFolder: string;
let count = 0;
beforeEach(() => {
  cacheFolder = join(root, String(++count));
});

async function expectGolden(
  name: string,
  source: string | URL,
  options: LoadOptions = {},
): Promise<void> {
  const golden = readSafetensors(await readFile(new URL(`${name}/golden.safetensors`, oracles)));
  const tokens = Uint32Array.from(golden.integers.get("input_ids")!.data);
  const { shape, data } = golden.tensors.get("logits")!;
  const model = await loadModel(source, {
    inline: true,
    accuracyLevel: 1,
    cacheFolder,
    ...options,
  });
  const sequence = await model.createSequence();
  const { logits } = await sequence.step({ tokens }, { logits: "all" });
  await model.dispose();
  expectClose(logits!, { data, rows: shape[0]!, cols: shape[1]! }, 1e-4);
}

describe("loadModel", () => {
  test.for(["llama-q4", "qwen2-q8", "llama-k"])("takes the path of %s", async (name) => {
    await expectGolden(name, oracle(name));
    const made = await readdir(cacheFolder);
    expect(made).toEqual([expect.stringMatching(/^model-gguf-[0-9a-f]{16}$/)]);
    // What was converted before is not made again.
    const phases: string[] = [];
    await expectGolden(name, oracle(name), { onProgress: ({ phase }) => phases.push(phase) });
    expect(phases).not.toContain("quantize");
    expect(await readdir(cacheFolder)).toEqual(made);
  });

  test("takes a folder with one file, or with several and the name of one", async () => {
    const folder = join(root, "folder");
    await mkdir(folder);
    await copyFile(oracle("llama-q4"), join(folder, "a.gguf"));
    await expectGolden("llama-q4", folder);
    await copyFile(oracle("qwen2-q8"), join(folder, "b.gguf"));
    await expect(loadModel(folder, { inline: true, cacheFolder })).rejects.toMatchObject({
      code: "format",
      message: expect.stringContaining("found a.gguf, b.gguf") as string,
    });
    await expectGolden("qwen2-q8", folder, { file: "b.gguf" });
    await expect(loadModel(folder, { cacheFolder, file: "c.gguf" })).rejects.toMatchObject({
      code: "format",
      message: "model: expected c.gguf, found a.gguf, b.gguf",
    });
  });

  test("quantizes what no kernel reads in its blocks, and runs a range of layers", async () => {
    const model = await loadModel(oracle("llama-k"), {
      inline: true,
      cacheFolder,
      quantize: "q8",
      layers: [0, 1],
    });
    expect(model.info.layers).toBe(1);
    await model.dispose();
    expect(await readdir(cacheFolder)).toHaveLength(2);
    const quantized = loadModel(oracle("llama-q4"), { inline: true, cacheFolder, quantize: "q4" });
    await expect(quantized).rejects.toMatchObject({ code: "range" });
  });

  test("fetches a file of a model on the Hub, by `file` or by its address", async () => {
    const bytes = await readFile(oracle("llama-q4"));
    const hub = await startHub(
      new Map([
        ["x-q4.gguf", bytes],
        ["x-q8.gguf", await readFile(oracle("qwen2-q8"))],
      ]),
    );
    const { endpoint } = hub;
    const options = { hub: { endpoint, cacheFolder: join(root, "hub"), token: null } };
    await expectGolden("llama-q4", "org/name", { ...options, file: "x-q4.gguf" });
    expect(hub.seen.some(({ path }) => path.endsWith("x-q8.gguf"))).toBe(false);
    await expectGolden("qwen2-q8", "org/name/x-q8.gguf", options);
    await expectGolden("llama-q4", `${endpoint}/org/name/blob/main/x-q4.gguf`, options);
    await hub.close();
  });
});

describe("a file that is no model", () => {
  const damages: [string, (bytes: Buffer) => Buffer, RegExp][] = [
    ["is empty", () => Buffer.alloc(0), /magic/],
    ["is text", () => Buffer.from("not a model at all"), /magic/],
    ["ends in its metadata", (bytes) => bytes.subarray(0, 100), /./],
    ["ends in its weights", (bytes) => bytes.subarray(0, -100), /bytes in/],
    [
      "claims 2^60 tensors",
      (bytes) => {
        bytes.writeBigUInt64LE(2n ** 60n, 8);
        return bytes;
      },
      /Tensor count/,
    ],
    [
      "claims a key of 2^62 bytes",
      (bytes) => {
        bytes.writeBigUInt64LE(2n ** 62n, 24);
        return bytes;
      },
      /String length/,
    ],
  ];
  test.for(damages)("%s", async ([, damage, reason]) => {
    const path = join(root, `${count}-bad.gguf`);
    await writeFile(path, damage(await readFile(oracle("llama-q4"))));
    const error = await loadModel(path, { inline: true, cacheFolder }).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: "InferenceError", code: "format" });
    expect((error as Error).message).toMatch(reason);
    // Nothing half-written stays.
    expect(await readdir(cacheFolder)).toEqual([]);
  });

  test("is one of several parts", async () => {
    const folder = join(root, "parts");
    await mkdir(folder);
    await copyFile(oracle("llama-q4"), join(folder, "x-00001-of-00002.gguf"));
    await expect(loadModel(folder, { cacheFolder })).rejects.toMatchObject({ code: "unsupported" });
  });
});

test.for<[string, string, string | undefined]>([
  ["x.gguf", ".", "x.gguf"],
  ["/x.gguf", "/", "x.gguf"],
  ["models/x.GGUF", "models", "x.GGUF"],
  ["org/name@v1/x.gguf", "org/name@v1", "x.gguf"],
  ["https://a.b/c/x%20y.gguf", "https://a.b/c", "x y.gguf"],
  ["org/name", "org/name", undefined],
  ["models/x.gguf/", "models/x.gguf/", undefined],
])("%s is split", ([source, at, file]) => {
  expect(splitGguf(source)).toEqual({ at, ...(file !== undefined && { file }) });
});
