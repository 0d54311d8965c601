// Graphs that others published, where the folder with test data is there.
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { LanguageModel } from "@frugal/core";
import { argMax, logSumExp } from "@frugal/core";
import { expectClose, rowsOf } from "@frugal/testkit";
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

  test.for([
    ["hf-internal-testing/tiny-random-lfm2-fp32", "past_conv.0"],
    ["engine/synthetic-paged", "cumulative_sequence_lengths"],
    ["marian-batch-values", "encoder_hidden_states"],
  ])("%s is refused for its input %s", async ([name, input]) => {
    const error = await loadModel(at(`onnx-random/${name}`), { inline: true }).catch(
      (cause: unknown) => cause as Error,
    );
    expect(error).toMatchObject({ name: "InferenceError", code: "unsupported" });
    expect((error as Error).message).toContain(input);
  });
});
