import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { argMax, type Block, type LanguageModel, type Matrix, type Sequence } from "@frugal/core";
import {
  buildVisionEncoder,
  type EncoderInput,
  parseVisionConfig,
  readJson,
  readWeights,
} from "@frugal/runtime";
import { expectClose, readSafetensors } from "@frugal/testkit";
import {
  anyRes,
  countTiles,
  packTiles,
  planBlocks,
  planSequence,
  type PositionScheme,
  type SequencePlan,
  type Tiler,
} from "@frugal/vision-tokens";
import { describe, expect, test } from "vitest";

import { FolderFiles, loadModel, loadVisionTower } from "../src/index.ts";

const folder = new URL("oracles/vision-language/", import.meta.url);
const names = await readdir(folder);
const placeholder = 95;
const noRows: Matrix = { data: new Float32Array(), rows: 0, cols: 24 };

/** A prompt and what transformers computed of it. */
interface Prompt {
  readonly ids: Uint32Array;
  readonly images: Record<string, EncoderInput> | null;
  readonly features: Matrix | null;
  readonly positions: Int32Array | null;
  readonly logits: Matrix;
}

async function promptsOf(name: string): Promise<readonly Prompt[]> {
  const bytes = await readFile(new URL(`${name}/golden.safetensors`, folder));
  const { tensors, integers } = readSafetensors(bytes);
  const matrix = (key: string): Matrix | null => {
    const tensor = tensors.get(key);
    if (tensor === undefined) return null;
    return { data: tensor.data, rows: tensor.shape[0]!, cols: tensor.shape[1]! };
  };
  return [0, 1, 2].map((i) => {
    const images: Record<string, EncoderInput> = {};
    const pixels = tensors.get(`input${i}.pixel_values`);
    if (pixels !== undefined) images["pixel_values"] = { data: pixels.data, dims: pixels.shape };
    for (const input of ["image_grid_thw", "image_sizes", "pixel_attention_mask"]) {
      const found = integers.get(`input${i}.${input}`);
      if (found !== undefined) {
        images[input] = { data: Int32Array.from(found.data), dims: found.shape };
      }
    }
    const positions = integers.get(`input${i}.positions`)?.data;
    return {
      ids: Uint32Array.from(integers.get(`input${i}.input_ids`)!.data),
      images: pixels === undefined ? null : images,
      features: matrix(`input${i}.features`),
      positions: positions === undefined ? null : Int32Array.from(positions),
      logits: matrix(`input${i}.logits`)!,
    };
  });
}

/** Nothing is pruned: the plan only gives positions. */
function planOf({ ids, images }: Prompt, merge = 2): SequencePlan {
  const grids = images?.["image_grid_thw"]?.data;
  const scheme: PositionScheme = grids === undefined ? { kind: "linear" } : { kind: "grid" };
  const options = { placeholder, positions: scheme };
  const all = (rows: number) => Uint32Array.from({ length: rows }, (_, i) => i);
  if (grids === undefined) {
    const rows = ids.filter((id) => id === placeholder).length;
    return planSequence(ids, [{ rows, keep: all(rows) }], options);
  }
  const planned = Array.from({ length: grids.length / 3 }, (_, i) => {
    const [t, h, w] = [grids[3 * i]!, grids[3 * i + 1]! / merge, grids[3 * i + 2]! / merge];
    const rows = t * h * w;
    return { rows, keep: all(rows), grid: { t, h, w } };
  });
  return planSequence(ids, planned, options);
}

async function logitsOf(sequence: Sequence, blocks: readonly Block[]): Promise<Matrix> {
  const parts: number[] = [];
  for (const block of blocks) {
    parts.push(...(await sequence.step(block, { logits: "all" })).logits!.data);
  }
  const cols = sequence.info.vocabSize;
  return { data: Float32Array.from(parts), rows: parts.length / cols, cols };
}

async function withModel<T>(
  name: string,
  options: Parameters<typeof loadModel>[1],
  use: (model: LanguageModel) => Promise<T>,
): Promise<T> {
  const model = await loadModel(new URL(`${name}/`, folder), options);
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

async function encode(
  name: string,
  inputs: Record<string, EncoderInput>,
  output?: string,
): Promise<Matrix> {
  const tower = await loadVisionTower(new URL(`${name}/`, folder), { ...(output && { output }) });
  const rows = await tower.encode(inputs);
  await tower.dispose();
  return rows;
}

/** Tiles of 8 x 8 pixels in 4 x 4 cells, as the oracle cuts them. */
const tilers: Record<string, Tiler> = {
  "llava-next": anyRes({
    tile: 8,
    cells: 4,
    grids: [
      [2, 1],
      [1, 2],
      [2, 2],
      [1, 3],
      [3, 1],
    ],
  }),
  "llava-onevision": anyRes({
    tile: 8,
    cells: 4,
    grids: [1, 2, 3].flatMap((cols) => [1, 2, 3].map((rows) => [cols, rows] as const)),
    maxTiles: 2,
  }),
};

async function featuresOf(name: string, { images }: Prompt): Promise<Matrix | null> {
  if (images === null) return null;
  const { image_sizes: sizes, ...inputs } = images;
  const rows = await encode(name, inputs);
  if (sizes === undefined) return rows;
  const newline = await encode(name, {}, "newline");
  const parts: number[] = [];
  let at = 0;
  for (let i = 0; i < sizes.data.length; i += 2) {
    const [height, width] = [sizes.data[i]!, sizes.data[i + 1]!];
    const plan = tilers[name]!(width, height);
    const end = at + 16 * countTiles(plan);
    const tiles = { ...rows, data: rows.data.subarray(at * 24, end * 24), rows: end - at };
    parts.push(...packTiles(tiles, plan, [width, height], newline).data);
    at = end;
  }
  return { data: Float32Array.from(parts), rows: parts.length / 24, cols: 24 };
}

function expectSame(actual: Matrix, expected: Matrix): void {
  expectClose(actual, expected, 2e-4);
  for (let row = 0; row < expected.rows; row++) {
    const best = ({ data, cols }: Matrix): number => argMax(data, row * cols, cols);
    expect(best(actual)).toBe(best(expected));
  }
}

test("layers behind the one that is read are left out of the graph", async () => {
  const files = new FolderFiles(fileURLToPath(new URL("llava/", folder)));
  const config = parseVisionConfig(await readJson(files, "config.json"));
  const { weights } = await readWeights(files);
  const text = (outputs?: readonly string[]): string => {
    const graph = buildVisionEncoder(config, weights, "cpu", { ...(outputs && { outputs }) });
    return Buffer.from(graph).toString("latin1");
  };
  expect(config.projector?.reads).toEqual([2]);
  for (const [outputs, layers] of [
    [undefined, [true, true, true]],
    [["hidden.final"], [true, true, true]],
    [["features"], [true, true, false]],
  ] as const) {
    const graph = text(outputs);
    expect([0, 1, 2].map((layer) => graph.includes(`encoder.layers.${layer}.mlp`))).toEqual(layers);
  }
});

describe.for(names)("%s", (name) => {
  test("its encoder gives the rows that enter the decoder of transformers", async () => {
    for (const prompt of await promptsOf(name)) {
      if (prompt.images === null) continue;
      expectClose((await featuresOf(name, prompt))!, prompt.features!, 1e-4);
    }
  });

  test.runIf(name.startsWith("qwen"))("its encoder takes frames one by one", async () => {
    const bytes = await readFile(new URL(`${name}/golden.safetensors`, folder));
    const { tensors, integers } = readSafetensors(bytes);
    const { data, shape } = tensors.get("video.pixel_values")!;
    const grids = integers.get("video.image_grid_thw")!;
    const features = tensors.get("video.features")!;
    const tower = await loadVisionTower(new URL(`${name}/`, folder));
    const rows = await tower.encode({
      pixel_values: { data, dims: shape },
      image_grid_thw: { data: Int32Array.from(grids.data), dims: grids.shape },
    });
    const [count, cols] = features.shape;
    expectClose(rows, { data: features.data, rows: count!, cols: cols! }, 1e-4);
    await tower.dispose();
  });

  test.for([
    { inline: true },
    { inline: true, chunk: 3 },
    // Triples of positions cross to a worker, too.
    ...(name === "qwen2-vl" ? [{ inline: false }] : []),
  ])("gives the logits of transformers for text, a picture and two: %o", async (options) => {
    await withModel(name, options, async (model) => {
      for (const prompt of await promptsOf(name)) {
        const plan = planOf(prompt);
        expect(plan.positions).toEqual(prompt.positions ?? plan.positions);
        const features = await featuresOf(name, prompt);
        const sequence = await model.createSequence();
        expectSame(await logitsOf(sequence, planBlocks(plan, features ?? noRows)), prompt.logits);
        await sequence.dispose();
      }
    });
  });
});
