import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { argMax, type LanguageModel, type Matrix } from "@frugal/core";
import {
  type ContractOptions,
  expectClose,
  readSafetensors,
  rowsOf,
  testLanguageModel,
} from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel, type LoadOptions } from "../src/index.ts";

const folder = new URL("oracles/architectures/", import.meta.url);
const names = await readdir(folder);
const cacheFolder = await mkdtemp(join(tmpdir(), "frugal-test-"));
afterAll(() => rm(cacheFolder, { recursive: true }));

interface Prompt {
  readonly tokens: Uint32Array;
  /** What transformers computed. */
  readonly logits: Matrix;
}

async function promptsOf(name: string): Promise<readonly Prompt[]> {
  const golden = readSafetensors(await readFile(new URL(`${name}/golden.safetensors`, folder)));
  return [0, 1, 2].map((i) => {
    const { shape, data } = golden.tensors.get(`prompt${i}.logits`)!;
    const tokens = Uint32Array.from(golden.integers.get(`prompt${i}.input_ids`)!.data);
    return { tokens, logits: { data, rows: shape[0]!, cols: shape[1]! } };
  });
}

async function withModel(
  name: string,
  options: LoadOptions,
  use: (model: LanguageModel) => Promise<void>,
): Promise<void> {
  const model = await loadModel(new URL(`${name}/`, folder), { inline: true, ...options });
  try {
    await use(model);
  } finally {
    await model.dispose();
  }
}

async function logitsOf(model: LanguageModel, blocks: readonly Uint32Array[]): Promise<Matrix> {
  const sequence = await model.createSequence();
  const parts: Float32Array[] = [];
  for (const tokens of blocks) {
    parts.push((await sequence.step({ tokens }, { logits: "all" })).logits!.data);
  }
  await sequence.dispose();
  const data = Float32Array.from(parts.flatMap((part) => [...part]));
  return { data, rows: data.length / model.info.vocabSize, cols: model.info.vocabSize };
}

const best = ({ data, cols }: Matrix, row: number): number => argMax(data, row * cols, cols);

describe.for(names)("%s", (name) => {
  test("gives the logits of transformers, however the text is cut", async () => {
    const prompts = await promptsOf(name);
    await withModel(name, { chunk: 9 }, async (model) => {
      for (const { tokens, logits } of prompts) {
        const cuts = [
          [tokens],
          [tokens.subarray(0, 1), tokens.subarray(1, 4), tokens.subarray(4)],
          Array.from(tokens, (id) => Uint32Array.of(id)),
        ];
        for (const blocks of cuts) {
          const filled = blocks.filter((block) => block.length > 0);
          const actual = await logitsOf(model, filled);
          expectClose(actual, logits, 1e-4);
          for (let row = 0; row < logits.rows; row++) {
            expect(best(actual, row)).toBe(best(logits, row));
          }
        }
      }
    });
  });

  test.skipIf(name === "gpt-2")("moves its cache to other positions", async () => {
    const [, , { tokens, logits }] = (await promptsOf(name)) as [Prompt, Prompt, Prompt];
    await withModel(name, {}, async (model) => {
      const sequence = await model.createSequence();
      const positions = Int32Array.from({ length: 15 }, (_, i) => 40 + i);
      await sequence.step({ tokens: tokens.subarray(0, 15), positions }, { logits: "none" });
      await sequence.keep(Uint32Array.from({ length: 15 }, (_, i) => i));
      const rest = await sequence.step({ tokens: tokens.subarray(15) }, { logits: "all" });
      expectClose(rest.logits!, rowsOf(logits, 15, tokens.length), 1e-4);
      await sequence.dispose();
    });
  });

  test.runIf(name === "gpt-2")("refuses to move rows with learned positions", async () => {
    const tokens = Uint32Array.of(5, 6, 7, 8);
    await withModel(name, {}, async (model) => {
      const sequence = await model.createSequence();
      await sequence.step({ tokens, parents: Int32Array.of(-1, -1, 0, 1) }, { logits: "none" });
      await expect(sequence.keep(Uint32Array.of(2))).rejects.toMatchObject({ code: "unsupported" });
      await sequence.keep(Uint32Array.of(1, 3));
      const after = await sequence.step({ tokens: Uint32Array.of(9) }, { logits: "last" });
      const chain = await logitsOf(model, [Uint32Array.of(6, 8, 9)]);
      expectClose(after.logits!, rowsOf(chain, 2), 1e-4);
      await sequence.dispose();
      const free = await model.createSequence({ positions: "absolute" });
      await free.step({ tokens }, { logits: "none" });
      await free.keep(Uint32Array.of(0, 3));
      const next = await free.step({ tokens: Uint32Array.of(9) }, { logits: "last" });
      expect(next.logits!.cols).toBe(97);
      await free.dispose();
    });
  });

  test("counts its weights", async () => {
    const files = (await readdir(new URL(`${name}/`, folder))).filter((file) =>
      /^model.*safetensors$/.test(file),
    );
    let weights = 0;
    for (const file of files) {
      const { tensors } = readSafetensors(await readFile(new URL(`${name}/${file}`, folder)));
      for (const { data } of tensors.values()) weights += data.length;
    }
    await withModel(name, {}, async (model) => {
      expect(model.info.parameters).toBe(weights);
    });
  });

  test("loads in 8 bits, near the logits of transformers", async () => {
    const [, , { tokens, logits }] = (await promptsOf(name)) as [Prompt, Prompt, Prompt];
    const options: LoadOptions = { quantize: "q8", accuracyLevel: 1, cacheFolder };
    await withModel(name, options, async (model) => {
      const range = logits.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const actual = await logitsOf(model, [tokens]);
      expectClose(rowsOf(actual, tokens.length - 1), rowsOf(logits, tokens.length - 1), range / 20);
    });
  });
});

for (const name of names) {
  const skip: ContractOptions["skip"] =
    name === "gpt-2"
      ? { positions: "learned positions are absolute", embeddings: "tap 0 holds positions" }
      : {};
  const load = () => loadModel(new URL(`${name}/`, folder), { inline: true, chunk: 8 });
  testLanguageModel(name, load, { trees: 12, skip });
}
