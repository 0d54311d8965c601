import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import {
  convertGguf,
  dequantizeGguf,
  type GgufBlockType,
  type GgufFile,
  readGguf,
  readSafetensors as readHeader,
  repackGguf,
  type Weight,
} from "@frugal/runtime";
import { expectClose, readSafetensors } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { FolderFiles, loadModel } from "../src/index.ts";

const oracles = new URL("oracles/gguf/", import.meta.url);

async function directoryOf(name: string): Promise<GgufFile> {
  return JSON.parse(await readFile(new URL(`${name}/directory.json`, oracles), "utf8")) as GgufFile;
}

function readerOf(name: string) {
  const files = new FolderFiles(fileURLToPath(new URL(name, oracles)));
  return ({ location, offset, length }: Weight) => files.read(location, offset, length);
}

/** Converts a model to a folder of its own; the caller removes it. */
async function convert(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "frugal-test-"));
  const read = readerOf(name);
  const model = await readGguf(await directoryOf(name), "model.gguf", read);
  await writeFile(join(folder, "config.json"), JSON.stringify(model.json));
  const target = await open(join(folder, "model.safetensors"), "w");
  await convertGguf(model, {
    read,
    write: (bytes) => target.writeFile(bytes),
  });
  await target.close();
  return folder;
}

describe.for(["llama-q4", "qwen2-q8", "llama-k"])("%s", (name) => {
  test("gives the logits of transformers over the same numbers", async () => {
    const golden = readSafetensors(await readFile(new URL(`${name}/golden.safetensors`, oracles)));
    const tokens = Uint32Array.from(golden.integers.get("input_ids")!.data);
    const { shape, data } = golden.tensors.get("logits")!;
    const folder = await convert(name);
    const model = await loadModel(folder, { inline: true, accuracyLevel: 1 });
    expect(model.info.eosIds).toEqual([2]);
    const sequence = await model.createSequence();
    const { logits } = await sequence.step({ tokens }, { logits: "all" });
    expectClose(logits!, { data, rows: shape[0]!, cols: shape[1]! }, 1e-4);
    await model.dispose();
    await rm(folder, { recursive: true });
  });
});

describe.for(["Q4_0", "Q8_0", "Q4_K", "Q6_K"] as const)("%s", (type) => {
  async function oracle(kind: GgufBlockType) {
    const files = new FolderFiles(fileURLToPath(oracles));
    const { tensors } = await readHeader(files, "blocks.safetensors");
    const read = (name: string) => {
      const { offset, length } = tensors.get(`${kind}.${name}`)!;
      return files.read("blocks.safetensors", offset, length);
    };
    const values = (await read("values")).slice();
    return { blocks: await read("blocks"), values: new Float32Array(values.buffer) };
  }

  test("is multiplied out as in the reference, to the bit", async () => {
    const { blocks, values } = await oracle(type);
    expect(dequantizeGguf(type, blocks)).toEqual(values);
  });

  test.runIf(type === "Q4_0" || type === "Q8_0")("means the same in kernels' blocks", async () => {
    const { blocks, values } = await oracle(type);
    const { blob, scales } = repackGguf(type as "Q4_0", blocks);
    const multiplied = values.map((_, i) => {
      const nibble = (blob[i >> 1]! >> (i % 2 === 0 ? 0 : 4)) & 15;
      return (type === "Q8_0" ? blob[i]! - 128 : nibble - 8) * scales[i >> 5]!;
    });
    expect(multiplied).toEqual(values);
  });
});

describe("readGguf refuses", () => {
  test.for<[string, (file: GgufFile) => GgufFile, string, string]>([
    [
      "another architecture",
      (file) => ({ ...file, metadata: { ...file.metadata, "general.architecture": "mamba" } }),
      "unsupported",
      'general.architecture: expected llama, qwen2 or qwen3, got "mamba"',
    ],
    [
      "another rotary scaling",
      (file) => ({ ...file, metadata: { ...file.metadata, "llama.rope.scaling.type": "yarn" } }),
      "unsupported",
      "llama.rope.scaling.type: expected none or linear",
    ],
    [
      "divisors of the rotary embedding in 16 bits",
      (file) => withTensor(file, { name: "rope_freqs.weight" }),
      "unsupported",
      "rope_freqs.weight: expected F32, got F16",
    ],
    [
      "too many divisors",
      (file) => withTensor(file, { name: "rope_freqs.weight", dtype: 0, shape: [5] }),
      "format",
      "short_factor: expected 4 positive numbers",
    ],
    [
      "experts",
      (file) => withTensor(file, { name: "blk.0.ffn_gate_exps.weight" }),
      "unsupported",
      "exps",
    ],
    [
      "another type",
      (file) => withTensor(file, { dtype: 10 }),
      "unsupported",
      "output.weight: expected one of F32, F16, Q4_0, Q8_0, Q4_K, Q6_K, BF16, got type 10",
    ],
    [
      "half a block",
      (file) => withTensor(file, { dtype: 8, shape: [40, 2] }),
      "format",
      "expected rows of whole blocks of 32, got 40",
    ],
    [
      "missing sizes",
      (file) => ({ ...file, metadata: { ...file.metadata, "llama.block_count": undefined } }),
      "format",
      "num_hidden_layers: expected a positive integer, got undefined",
    ],
  ])("%s", async ([, change, code, message]) => {
    const file = change(await directoryOf("llama-q4"));
    const error = await readGguf(file, "model.gguf", readerOf("llama-q4")).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: "InferenceError", code });
    expect((error as Error).message).toContain(message);
  });
});

test("weights in blocks are not quantized again, and their size is checked", async () => {
  const folder = await convert("qwen2-q8");
  const again = loadModel(folder, { inline: true, quantize: "q4" });
  await expect(again).rejects.toMatchObject({ code: "range" });
  const path = join(folder, "model.safetensors");
  const bytes = await readFile(path);
  bytes.write('"31"', bytes.indexOf('"32"'));
  await writeFile(path, bytes);
  await expect(loadModel(folder, { inline: true })).rejects.toMatchObject({ code: "format" });
  await rm(folder, { recursive: true });
});

/** The file with a changed copy of its `output.weight` at the end. */
function withTensor(file: GgufFile, change: object): GgufFile {
  const output = file.tensorInfos.find(({ name }) => name === "output.weight")!;
  return { ...file, tensorInfos: [...file.tensorInfos, { ...output, ...change }] };
}
