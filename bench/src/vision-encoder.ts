import { join } from "node:path";

import { philox } from "@frugal/core";
import type { EncoderInput, ReducedTower, TokenReduction, VisionEncoder } from "@frugal/runtime";
import { loadVisionTower } from "@frugal/runtime-node";
import { diffRateSchedules } from "@frugal/vision-tokens";

import { scratch } from "./models.ts";
import { writeRandomCheckpoint } from "./random-model.ts";
import { median, type Table } from "./results.ts";
import type { Effort } from "./step-cost.ts";

/** Dimensions of a ViT. */
interface Shape {
  readonly name: string;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly image: number;
  readonly patch: number;
}

const base: Shape = {
  name: "ViT-B/16 at 224",
  width: 768,
  layers: 12,
  heads: 12,
  image: 224,
  patch: 16,
};
const large: Shape = {
  name: "ViT-L/14 at 336",
  width: 1024,
  layers: 24,
  heads: 16,
  image: 336,
  patch: 14,
};
const tome = (perLayer: number): TokenReduction => ({ method: "tome", perLayer });

/**
 * Encoders whose rows become fewer inside, against the same encoders whose rows do not: same weights,
 * same process, runs interleaved.
 */
export async function measureVisionEncoder({ repetitions, large: all }: Effort): Promise<Table[]> {
  const times = Math.min(15, repetitions);
  const deit = diffRateSchedules["vit-b-deit"]["11.5"]!;
  const rows = await measure(base, times, [
    ["ToMe, 8 a layer", tome(8)],
    ["ToMe, 13 a layer", tome(13)],
    ["DiffRate, DeiT-B 11.5", { method: "diffrate", ...deit }],
    ["Expedit, 7 by 7 from layer 4", { method: "expedit", from: 4, clusters: [7, 7] }],
  ]);
  if (all) {
    rows.push(
      ...(await measure(large, times, [
        ["ToMe, 12 a layer", tome(12)],
        ["ToMe, 23 a layer", tome(23)],
        ["Expedit, 12 by 12 from layer 8", { method: "expedit", from: 8, clusters: [12, 12] }],
      ])),
    );
  }
  const notes = [
    "Milliseconds per image, median; ratio: how many times faster than the whole encoder beside it.",
    "Random weights in float32, one image a run: rows that are merged are as many as for real weights,",
    "which rows is not.",
  ];
  return [{ title: "Fewer rows inside a vision encoder, on the CPU", notes, rows }];
}

async function measure(
  shape: Shape,
  repetitions: number,
  reductions: readonly (readonly [string, TokenReduction])[],
): Promise<Table["rows"][number][]> {
  const folder = join(scratch, shape.name.toLowerCase().replaceAll(/\W+/g, "-"));
  await writeRandomCheckpoint(folder, tensorsOf(shape), configOf(shape));
  const whole = await loadVisionTower(folder);
  const rows = [];
  for (const [name, reduce] of reductions) {
    const tower = await loadVisionTower(folder, { reduce });
    const [before, after] = await compare(whole, tower, imageOf(shape), repetitions);
    const [image] = await tower.encodeImages(imageOf(shape));
    await tower.dispose();
    rows.push({
      encoder: shape.name,
      inside: name,
      "rows left": image!.rows.rows,
      "all rows, ms": before,
      "fewer rows, ms": after,
      ratio: before / after,
    });
  }
  await whole.dispose();
  return rows;
}

/** Median milliseconds of each. */
async function compare(
  whole: VisionEncoder,
  tower: ReducedTower,
  image: Record<string, EncoderInput>,
  repetitions: number,
): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let i = -2; i < repetitions; i++) {
    for (const [side, encoder] of [whole, tower].entries()) {
      const start = performance.now();
      await encoder.encode(image);
      if (i >= 0) times[side]!.push(performance.now() - start);
    }
  }
  return [median(times[0]), median(times[1])];
}

function imageOf({ image }: Shape): Record<string, EncoderInput> {
  const random = philox(3);
  const data = Float32Array.from({ length: 3 * image * image }, (_, i) => random.uniform(i) - 0.5);
  return { pixel_values: { data, dims: [1, 3, image, image] } };
}

function tensorsOf({ width, layers, image, patch }: Shape): [string, number[]][] {
  const linear = (name: string, inputs: number, outputs: number): [string, number[]][] => [
    [`${name}.weight`, [outputs, inputs]],
    [`${name}.bias`, [outputs]],
  ];
  const norm = (name: string): [string, number[]][] => [
    [`${name}.weight`, [width]],
    [`${name}.bias`, [width]],
  ];
  const layer = (prefix: string): [string, number[]][] => [
    ...norm(`${prefix}.layernorm_before`),
    ...linear(`${prefix}.attention.attention.query`, width, width),
    ...linear(`${prefix}.attention.attention.key`, width, width),
    ...linear(`${prefix}.attention.attention.value`, width, width),
    ...linear(`${prefix}.attention.output.dense`, width, width),
    ...norm(`${prefix}.layernorm_after`),
    ...linear(`${prefix}.intermediate.dense`, width, 4 * width),
    ...linear(`${prefix}.output.dense`, 4 * width, width),
  ];
  return [
    ["embeddings.cls_token", [1, 1, width]],
    ["embeddings.position_embeddings", [1, Math.floor(image / patch) ** 2 + 1, width]],
    ["embeddings.patch_embeddings.projection.weight", [width, 3, patch, patch]],
    ["embeddings.patch_embeddings.projection.bias", [width]],
    ...Array.from({ length: layers }, (_, l) => layer(`encoder.layer.${l}`)).flat(),
    ...norm("layernorm"),
  ];
}

function configOf({ width, layers, heads, image, patch }: Shape): Record<string, unknown> {
  return {
    model_type: "vit",
    hidden_size: width,
    intermediate_size: 4 * width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    image_size: image,
    patch_size: patch,
  };
}
