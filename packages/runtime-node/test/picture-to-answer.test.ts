import { argMax, type Block, type LanguageModel, type Matrix } from "@frugal/core";
import { expectClose, rowsOf, seededRandom } from "@frugal/testkit";
import { planBlocks, planSequence, qwen, selectMaxMin } from "@frugal/vision-tokens";
import { describe, expect, test } from "vitest";

import { createImageProcessor, loadModel, loadVisionTower, type RgbImage } from "../src/index.ts";

const folder = new URL("oracles/vision-language/qwen2-vl/", import.meta.url);
const preprocessor = {
  image_processor_type: "Qwen2VLImageProcessor",
  patch_size: 4,
  merge_size: 2,
  temporal_patch_size: 2,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.25, 0.25, 0.25],
};
const placeholder = 95;
const random = seededRandom(5);
const picture: RgbImage = {
  width: 45,
  height: 30,
  data: Uint8Array.from({ length: 3 * 45 * 30 }, () => random.below(256)),
};

/** The rows `keep`, as a matrix of their own. */
function rowsAt(all: Matrix, keep: Uint32Array): Matrix {
  const data = new Float32Array(keep.length * all.cols);
  for (const [i, row] of keep.entries()) data.set(rowsOf(all, row, row + 1).data, i * all.cols);
  return { data, rows: keep.length, cols: all.cols };
}

/** A picture between two texts: the rows of its encoder, and what stays of them. */
async function prepare(count: number) {
  const process = createImageProcessor(
    preprocessor,
    qwen({ factor: 8, minPixels: 64, maxPixels: 1024 }),
  );
  const { inputs, grids } = process([picture]);
  const tower = await loadVisionTower(folder);
  const features = await tower.encode(inputs);
  await tower.dispose();

  const { keep } = selectMaxMin(features, Math.min(count, features.rows));
  const image = Array<number>(features.rows).fill(placeholder);
  const ids = Uint32Array.from([5, 6, 7, ...image, 8, 9, 10]);
  const grid = { t: 1, h: grids[0]!.rows / 2, w: grids[0]!.cols / 2 };
  const plan = planSequence(ids, [{ rows: features.rows, keep, grid }], {
    placeholder,
    positions: { kind: "grid" },
  });
  return { features, keep, plan, blocks: planBlocks(plan, rowsAt(features, keep)) };
}

/** Reads a prompt and goes on greedily. */
async function answer(model: LanguageModel, blocks: readonly Block[], length: number) {
  const sequence = await model.createSequence({ positions: "absolute" });
  for (const block of blocks.slice(0, -1)) await sequence.step(block, { logits: "none" });
  const rows: Matrix[] = [];
  let next = blocks.at(-1)!;
  for (let i = 0; i < length; i++) {
    const { logits } = await sequence.step(next, { logits: "last" });
    rows.push(logits!);
    next = { tokens: Uint32Array.of(argMax(logits!.data, 0, logits!.cols)) };
  }
  await sequence.dispose();
  return rows;
}

describe("a picture whose rows are pruned", () => {
  test("has as many tokens as stay, in their places", async () => {
    const { features, keep, plan } = await prepare(4);
    expect(features.rows).toBeGreaterThan(8);
    expect(keep).toHaveLength(4);
    expect(plan.ids).toHaveLength(10);
    // Text goes on where it would behind the whole picture.
    const whole = await prepare(Infinity);
    expect(plan.nextPosition).toBe(whole.plan.nextPosition);
    expect(plan.positions.at(-1)).toBe(plan.nextPosition - 1);
  });

  test("answers as if the others had been read and were no longer seen", async () => {
    // Above the first layer a kept row would still know what it has seen.
    const model = await loadModel(folder, { inline: true, layers: [0, 1] });
    const { keep, blocks } = await prepare(4);
    const whole = await prepare(Infinity);
    const sequence = await model.createSequence({ positions: "absolute" });
    for (const block of whole.blocks.slice(0, -1)) await sequence.step(block, { logits: "none" });
    await sequence.keep(Uint32Array.from([0, 1, 2, ...keep.map((row) => 3 + row)]));
    const { logits } = await sequence.step(whole.blocks.at(-1)!, { logits: "last" });
    const [first] = await answer(model, blocks, 1);
    expectClose(first!, logits!, 1e-5);
    await model.dispose();
  });

  test("goes on behind the prompt", async () => {
    const model = await loadModel(folder, { inline: true });
    const { plan, blocks } = await prepare(4);
    const implied = await answer(model, blocks, 5);
    const sequence = await model.createSequence({ positions: "absolute" });
    for (const block of blocks) await sequence.step(block, { logits: "none" });
    for (let i = 0; i + 1 < implied.length; i++) {
      const tokens = Uint32Array.of(argMax(implied[i]!.data, 0, implied[i]!.cols));
      const positions = Int32Array.of(plan.nextPosition + i);
      const { logits } = await sequence.step({ tokens, positions }, { logits: "last" });
      expectClose(logits!, implied[i + 1]!, 0);
    }
    await model.dispose();
  });
});
