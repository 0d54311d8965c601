// Graphs that others published, where the folder with test data is there.
import { existsSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

import type { Capabilities, LanguageModel } from "@frugal/core";
import { argMax, InferenceError, logSumExp } from "@frugal/core";
import { expectClose, rowsOf } from "@frugal/testkit";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel } from "../../src/index.ts";

const data = new URL("../../../../../shared/data/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/data here)";
const at = (path: string): string => fileURLToPath(new URL(path, data));

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

async function folderOf(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "frugal-public-"));
  folders.push(folder);
  return folder;
}

async function withModel(folder: string, use: (model: LanguageModel) => Promise<void>) {
  const model = await loadModel(folder, { inline: true });
  try {
    await use(model);
  } finally {
    await model.dispose();
  }
}

describe.skipIf(reason !== "")(`stories260K${reason}`, () => {
  test("writes the published story, token by token and checked four at a time", async () => {
    const folder = await folderOf();
    await cp(at("lm/stories260K/stories260K.onnx"), join(folder, "stories260K.onnx"));
    const config = {
      model_type: "llama2c",
      hidden_size: 64,
      num_attention_heads: 8,
      max_position_embeddings: 512,
    };
    await writeFile(join(folder, "config.json"), JSON.stringify(config));
    const expected = JSON.parse(await readFile(at("lm/stories260K/expected.json"), "utf8")) as {
      greedy_ids_from_bos_201: number[];
      first_step: { logits_0_8: number[]; logsumexp: number };
    };
    const story = expected.greedy_ids_from_bos_201;
    await withModel(folder, async (model) => {
      expect(model.capabilities).toMatchObject({
        tree: true,
        openTree: true,
        positions: true,
        top: true,
        evict: false,
      });
      expect(model.info).toMatchObject({ vocabSize: 512, layers: 5, kvHeads: 4, headDim: 8 });
      const plain = await model.createSequence();
      const begin = await model.createSequence();
      const { logits: row } = await begin.step(
        { tokens: Uint32Array.of(story[0]!) },
        { logits: "last" },
      );
      for (const [i, value] of expected.first_step.logits_0_8.entries()) {
        expect(row!.data[i]).toBeCloseTo(value, 4);
      }
      expect(logSumExp(row!.data, 0, 512)).toBeCloseTo(expected.first_step.logsumexp, 4);
      const ids = [story[0]!];
      for (let i = 0; i < 60; i++) {
        const { logits } = await plain.step(
          { tokens: Uint32Array.of(ids.at(-1)!) },
          { logits: "last" },
        );
        ids.push(argMax(logits!.data, 0, 512));
      }
      expect(ids).toEqual(story.slice(0, 61));

      const drafted = await model.createSequence();
      for (let i = 0; i < 200; i += 4) {
        const tokens = Uint32Array.from(story.slice(i, i + 4));
        const { top } = await drafted.step({ tokens }, { logits: { top: 1 } });
        expect([...top!.ids]).toEqual(story.slice(i + 1, i + 5));
      }
    });
  });
});

describe.skipIf(reason !== "")(`graphs of onnxruntime-genai's tests${reason}`, () => {
  test.for([
    ["hf-internal-testing/tiny-random-gpt2-fp32", "keys and values in one tensor", 1e-4],
    ["hf-internal-testing/tiny-qwen35-cuda", "float16 and one operator", 0.02],
  ] as const)("%s: %s", async ([name, , tolerance]) => {
    await withModel(at(`onnx-random/${name}`), async (model) => {
      const tokens = Uint32Array.from(
        { length: 12 },
        (_, i) => (i * 37 + 5) % model.info.vocabSize,
      );
      const whole = await model.createSequence();
      const { logits } = await whole.step({ tokens }, { logits: "all" });
      expect(logits!.data.every(Number.isFinite)).toBe(true);
      const pieces = await model.createSequence();
      for (const [from, to] of [
        [0, 5],
        [5, 6],
        [6, 9],
        [9, 12],
      ] as const) {
        const part = await pieces.step({ tokens: tokens.subarray(from, to) }, { logits: "all" });
        expectClose(part.logits!, rowsOf(logits!, from, to), tolerance);
      }
      await pieces.keep(Uint32Array.of(0, 1, 2, 3));
      const again = await pieces.step({ tokens: tokens.subarray(4) }, { logits: "all" });
      expectClose(again.logits!, rowsOf(logits!, 4, 12), tolerance);
    });
  });
});

/** Where the folder holds several models, the file to load alone. */
interface Published {
  readonly folder: string;
  readonly file?: string;
  readonly hiddenSize?: number;
  /** What it can do, or the error that says why not. */
  readonly result: Partial<Capabilities> | { readonly code: string; readonly reason: RegExp };
}

const published: readonly Published[] = [
  {
    folder: "lm/stories260K",
    file: "stories260K.onnx",
    hiddenSize: 64,
    result: { tree: true, positions: true, taps: true, top: true, evict: false },
  },
  {
    folder: "lm/stories-draft71K",
    file: "draft71K.onnx",
    result: { tree: true, positions: true, taps: true, top: true, evict: false },
  },
  {
    // Norms come after the sums, as operators that give both.
    folder: "onnx-random/hf-internal-testing/tiny-random-gpt2-fp32",
    result: { tree: false, positions: true, taps: true, top: false, evict: false },
  },
  {
    folder: "onnx-random/hf-internal-testing/tiny-qwen35-cuda",
    result: { tree: false, positions: false, taps: true, top: true, evict: false },
  },
  {
    folder: "onnx-random/multimodal-decoder-with-input-ids",
    file: "dummy_text.onnx",
    // The graph pads its cache by a single row, whatever it is given.
    result: { code: "unsupported", reason: /present\.0\.key: expected \[1, 4, 2, 16\]/ },
  },
  {
    folder: "onnx-random/multimodal-decoder-with-input-ids",
    result: { code: "unsupported", reason: /rows of inputs_embeds, found/ },
  },
  {
    folder: "onnx-random/engine/dummy-decoder",
    result: { code: "unsupported", reason: /present\.0\.key: expected \[1, 2, 2, 4\], found \[2/ },
  },
  {
    folder: "onnx-random/engine/synthetic-paged",
    result: { code: "unsupported", reason: /cumulative_sequence_lengths/ },
  },
  {
    folder: "onnx-random/hf-internal-testing/tiny-random-lfm2-fp32",
    result: { code: "unsupported", reason: /past_conv\.0/ },
  },
  {
    folder: "onnx-random/marian-batch-values",
    result: { code: "unsupported", reason: /encoder_hidden_states/ },
  },
  ...["qwen2-5-vl", "qwen3-vl"].map((name) => ({
    folder: `onnx-random/${name}`,
    result: { code: "format", reason: /"dummy_text\.onnx": no such file/ },
  })),
];

/** Loads a model and generates, or says why that is not possible. */
async function tryModel(folder: string) {
  const model = await loadModel(folder, { inline: true }).catch((error: unknown) => {
    if (InferenceError.is(error)) return error;
    throw error;
  });
  if (model instanceof InferenceError) return { code: model.code, reason: model.message };
  const sequence = await model.createSequence();
  const { tokens } = model.capabilities;
  const cols = model.info.hiddenSize;
  let id = 1;
  for (let i = 0; i < 5; i++) {
    const embeddings = { data: new Float32Array(cols).fill(id), rows: 1, cols };
    const block = tokens ? { tokens: Uint32Array.of(id) } : { embeddings };
    const { logits } = await sequence.step(block, { logits: "last" });
    id = argMax(logits!.data, 0, logits!.cols);
  }
  expect(sequence.length).toBe(5);
  await model.dispose();
  return { code: "", reason: "", ...model.capabilities };
}

describe.skipIf(reason !== "")(`all published graphs${reason}`, () => {
  test("are in the table", async () => {
    const names = new Set<string>();
    for (const root of ["lm", "onnx-random"]) {
      for (const entry of await readdir(at(root), { recursive: true, withFileTypes: true })) {
        if (!/\.onnx$|^genai_config\.json$/.test(entry.name)) continue;
        names.add(relative(at("."), entry.parentPath).split(sep).join("/"));
      }
    }
    expect([...names].sort()).toEqual([...new Set(published.map(({ folder }) => folder))].sort());
  });

  test.for(published)("$folder $file", async ({ folder: name, file, hiddenSize, result }) => {
    let folder = at(name);
    if (file !== undefined) {
      folder = await folderOf();
      await cp(at(`${name}/${file}`), join(folder, file));
      const config = { hidden_size: hiddenSize, max_position_embeddings: 64 };
      await writeFile(join(folder, "config.json"), JSON.stringify(config));
    }
    const found = await tryModel(folder);
    const isRefused = "code" in result;
    const wanted = isRefused ? result.reason : /^$/;
    const expected = isRefused ? { code: result.code } : { ...result, code: "" };
    expect(found).toMatchObject(expected);
    expect(found.reason).toMatch(wanted);
  });

  test("hidden states are what a graph calls its own", async () => {
    const folder = await folderOf();
    await cp(at("lm/stories260K/stories260K.onnx"), join(folder, "model.onnx"));
    const config = { model_type: "llama2c", hidden_size: 64, max_position_embeddings: 512 };
    await writeFile(join(folder, "config.json"), JSON.stringify(config));
    const tokens = Uint32Array.of(1, 403, 407, 261, 378);
    const session = await InferenceSession.create(join(folder, "model.onnx"));
    const integers = (values: ArrayLike<number>) =>
      new Tensor("int64", BigInt64Array.from(Array.from(values), BigInt), [1, values.length]);
    const feeds: Record<string, Tensor> = {
      input_ids: integers(tokens),
      position_ids: integers([...tokens.keys()]),
      attention_bias: new Tensor(
        "float32",
        Float32Array.from({ length: 25 }, (_, i) => (i % 5 > Math.floor(i / 5) ? -1e9 : 0)),
        [1, 1, 5, 5],
      ),
    };
    for (const name of session.inputNames) {
      feeds[name] ??= new Tensor("float32", new Float32Array(0), [1, 4, 0, 8]);
    }
    const names = session.outputNames.filter((name) => name.startsWith("hidden_states."));
    expect(names.length).toBe(5);
    const own = await session.run(feeds, names);
    await withModel(folder, async (model) => {
      const sequence = await model.createSequence();
      // The graph's are those after each layer.
      const { taps } = await sequence.step({ tokens }, { logits: "none", taps: [1, 2, 3, 4, 5] });
      for (const [i, { data: states }] of taps.entries()) {
        const { data: expected } = own[`hidden_states.${i}`]!;
        const widest = states.reduce(
          (most, value, j) => Math.max(most, Math.abs(value - (expected as Float32Array)[j]!)),
          0,
        );
        expect(widest).toBeLessThan(1e-5);
      }
    });
    await session.release();
  });
});
