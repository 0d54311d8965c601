import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { LanguageModel, Matrix, Sequence } from "@frugal/core";
import {
  createReferenceTransformer,
  expectClose,
  largestDifference,
  randomWeights,
  type ReferenceConfig,
  rowsOf,
  tinyConfig,
} from "@frugal/testkit";
import { writeExport } from "@frugal/testkit/export-decoder";
import { planSequence, selectMaxMin, type SequencePlan } from "@frugal/vision-tokens";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadModel, loadVisionEncoder } from "../../src/index.ts";
import { writePatchEncoder, writeSplicer } from "./export-vision.ts";

const config: ReferenceConfig = { ...tinyConfig, heads: 4, kvHeads: 2, headDim: 16 };
const tensors = randomWeights(config, 5);
const reference = createReferenceTransformer({ config, tensors });

/** The id that stands for a patch, patches per image, and a prompt with two images. */
const placeholder = 31;
const patches = 12;
const image = Array.from({ length: patches }, () => placeholder);
const prompt = Uint32Array.of(3, 1, ...image, 4, 1, 5, ...image, 9, 2, 6);
const answer = Uint32Array.of(7, 8, 9);

const folders: Record<"optimum" | "genai", string> = { optimum: "", genai: "" };
const pixels = Float32Array.from({ length: 2 * patches * 4 }, (_, i) => Math.sin(i * i));

beforeAll(async () => {
  const split = { split: true } as const;
  const optimum = await writeExport(config, tensors, { attention: "concat", ...split });
  await writePatchEncoder(
    join(optimum.folder, "onnx/vision_encoder.onnx"),
    config.hiddenSize,
    patches,
  );
  const genai = await writeExport(config, tensors, { attention: "grouped", ...split });
  await writePatchEncoder(join(genai.folder, "vision.onnx"), config.hiddenSize, patches);
  const table = tensors.get("model.embed_tokens.weight")!;
  await writeSplicer(join(genai.folder, "embedding.onnx"), table, placeholder);
  const path = join(genai.folder, "genai_config.json");
  const json = JSON.parse(await readFile(path, "utf8")) as { model: Record<string, unknown> };
  json.model["vision"] = { filename: "vision.onnx" };
  await writeFile(path, JSON.stringify(json));
  folders.optimum = optimum.folder;
  folders.genai = genai.folder;
});
afterAll(() => Promise.all(Object.values(folders).map((path) => rm(path, { recursive: true }))));

/** Both images through the encoder, and the rows that differ most of each. */
async function encode(
  folder: string,
): Promise<{ readonly rows: Matrix; readonly keep: Uint32Array[] }> {
  const encoder = await loadVisionEncoder(folder);
  const rows = await encoder.encode({ pixel_values: { data: pixels, dims: [2, patches, 4] } });
  await encoder.dispose();
  const keep = [0, 1].map((i) => {
    const own = rowsOf(rows, i * patches, (i + 1) * patches);
    return selectMaxMin({ ...own, data: own.data.slice() }, 5).keep;
  });
  return { rows, keep };
}

/** The kept rows of both images, one after the other. */
function prune({ data, cols }: Matrix, keep: readonly Uint32Array[]): Matrix {
  const kept = keep.flatMap((rows, i) => [...rows].map((row) => i * patches + row));
  const all = new Float32Array(kept.length * cols);
  kept.forEach((row, at) => all.set(data.subarray(row * cols, (row + 1) * cols), at * cols));
  return { data: all, rows: kept.length, cols };
}

/** Embeddings of ids, and of placeholders the rows of images in turn. */
function embed(ids: Uint32Array, images: Matrix): Matrix {
  const { hiddenSize: cols } = config;
  const table = tensors.get("model.embed_tokens.weight")!.data;
  const data = new Float32Array(ids.length * cols);
  let next = 0;
  ids.forEach((id, i) => {
    const [from, row] = id === placeholder ? [images.data, next++] : [table, id];
    data.set(from.subarray(row * cols, (row + 1) * cols), i * cols);
  });
  return { data, rows: ids.length, cols };
}

/** Runs a pruned prompt run by run: ids of text through the embedding graph, rows of images as they are. */
async function prefill(
  sequence: Sequence,
  { ids, featureRow, positions }: SequencePlan,
  images: Matrix,
  places: boolean,
): Promise<Matrix> {
  const parts: Matrix[] = [];
  for (let from = 0, to = 0; from < ids.length; from = to) {
    const isText = featureRow[from]! < 0;
    while (to < ids.length && featureRow[to]! < 0 === isText) to++;
    const rows = isText
      ? { tokens: ids.subarray(from, to) }
      : { embeddings: rowsOf(images, featureRow[from]!, featureRow[to - 1]! + 1) };
    const at = places ? { positions: positions.subarray(from, to) } : {};
    const { logits } = await sequence.step({ ...rows, ...at }, { logits: "all" });
    parts.push(logits!);
  }
  const data = new Float32Array(parts.flatMap((part) => [...part.data]));
  return { data, rows: ids.length, cols: parts[0]!.cols };
}

async function withModel<T>(folder: string, use: (model: LanguageModel) => Promise<T>): Promise<T> {
  const model = await loadModel(folder, { inline: true, chunk: 4 });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

describe("images lose rows between encoder and decoder", () => {
  test("with positions as an input, as if these rows were masked", async () => {
    const { rows, keep } = await encode(folders.optimum);
    const images = keep.map((kept) => ({ rows: patches, keep: kept }));
    const plan = planSequence(prompt, images, { placeholder, positions: { kind: "linear" } });
    expect(plan.ids.length).toBe(prompt.length - 2 * (patches - 5));

    // All rows at their positions; what was pruned is a branch that no later row sees.
    const masked = await reference.createSequence({ positions: "absolute" });
    const parents = new Int32Array(prompt.length);
    const kept = new Set(plan.source);
    let last = -1;
    for (let row = 0; row < prompt.length; row++) {
      parents[row] = last;
      if (kept.has(row)) last = row;
    }
    const positions = Int32Array.from(prompt.keys());
    const block = { embeddings: embed(prompt, rows), parents, positions };
    const { logits: all } = await masked.step(block, { logits: "all" });
    const expected = plan.source.reduce<number[]>((list, row) => {
      list.push(...rowsOf(all!, row).data);
      return list;
    }, []);
    await masked.keep(plan.source);
    const { logits: next } = await masked.step({ tokens: answer }, { logits: "all" });

    await withModel(folders.optimum, async (model) => {
      const sequence = await model.createSequence({ positions: "absolute" });
      const actual = await prefill(sequence, plan, prune(rows, keep), true);
      const { rows: count, cols } = actual;
      expectClose(actual, { data: Float32Array.from(expected), rows: count, cols }, 1e-4);
      // The answer begins where the unpruned prompt ends.
      const { logits } = await sequence.step({ tokens: answer }, { logits: "all" });
      expectClose(logits!, next!, 1e-4);
    });
  });

  test("where the operator counts positions, with positions that close up: another text", async () => {
    const { rows, keep } = await encode(folders.genai);
    const images = keep.map((kept) => ({ rows: patches, keep: kept }));
    const scheme = { kind: "linear", compact: true } as const;
    const plan = planSequence(prompt, images, { placeholder, positions: scheme });
    const pruned = prune(rows, keep);
    const compact = await reference.createSequence();
    const block = { embeddings: embed(plan.ids, pruned) };
    const { logits: expected } = await compact.step(block, { logits: "all" });
    const { logits: next } = await compact.step({ tokens: answer }, { logits: "all" });

    // The same rows where they were: what graphs with positions as an input compute.
    const wide = planSequence(prompt, images, { placeholder, positions: { kind: "linear" } });
    const apart = await reference.createSequence({ positions: "absolute" });
    const placed = { embeddings: embed(wide.ids, pruned), positions: wide.positions };
    const { logits: other } = await apart.step(placed, { logits: "all" });
    expect(largestDifference(expected!, other!)).toBeGreaterThan(0.01);

    await withModel(folders.genai, async (model) => {
      const sequence = await model.createSequence();
      await expect(prefill(sequence, plan, pruned, true)).rejects.toMatchObject({
        code: "unsupported",
      });
      expectClose(await prefill(sequence, plan, pruned, false), expected!, 1e-4);
      const { logits } = await sequence.step({ tokens: answer }, { logits: "all" });
      expectClose(logits!, next!, 1e-4);
    });
  });
});
