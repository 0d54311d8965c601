import { rm } from "node:fs/promises";

import type { LanguageModel, Sequence } from "@frugal/core";
import {
  createReferenceTransformer,
  expectClose,
  randomWeights,
  type ReferenceConfig,
  rowsOf,
  tinyConfig,
} from "@frugal/testkit";
import { writeExport } from "@frugal/testkit/export-decoder";
import { planSequence } from "@frugal/vision-tokens";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel } from "../../src/index.ts";

const config: ReferenceConfig = { ...tinyConfig, heads: 4, kvHeads: 2, headDim: 16 };
const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

/** A model whose channel pairs turn by frame, row and column in these sections. */
async function withSections<T>(
  sections: readonly number[],
  use: (model: LanguageModel) => Promise<T>,
  of = config,
): Promise<T> {
  const style = { attention: "concat", sections } as const;
  const { folder } = await writeExport(of, randomWeights(of, 3), style);
  folders.push(folder);
  const model = await loadModel(folder, { inline: true, chunk: 3 });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

// Two tokens, an image of 2 x 3 cells, and two more.
const image = Array.from({ length: 6 }, () => 31);
const prompt = Uint32Array.of(3, 1, ...image, 4, 5);
const plan = planSequence(
  prompt,
  [{ rows: 6, keep: Uint32Array.from(image.keys()), grid: { t: 1, h: 2, w: 3 } }],
  {
    placeholder: 31,
    positions: { kind: "grid" },
  },
);

describe("positions of three numbers", () => {
  test("go into the graph as frames, rows and columns", async () => {
    for (const axis of [0, 1, 2]) {
      // All pairs turn by one of the three, so that one position per row says the same.
      const sections = [0, 0, 0].map((_, i) => (i === axis ? 8 : 0));
      const reference = createReferenceTransformer({ config, tensors: randomWeights(config, 3) });
      const plain = await reference.createSequence({ positions: "absolute" });
      const positions = plan.positions.slice(axis * prompt.length, (axis + 1) * prompt.length);
      const { logits: expected } = await plain.step(
        { tokens: prompt, positions },
        { logits: "all" },
      );
      await withSections(sections, async (model) => {
        const sequence = await model.createSequence({ positions: "absolute" });
        const { logits } = await sequence.step(
          { tokens: prompt, positions: plan.positions },
          { logits: "all" },
        );
        expectClose(logits!, expected!, 1e-4);
        // What follows is numbered from the largest of them, in all three.
        const next = { tokens: Uint32Array.of(7, 8) };
        const places = { positions: Int32Array.of(plan.nextPosition, plan.nextPosition + 1) };
        const { logits: after } = await plain.step({ ...next, ...places }, { logits: "all" });
        expectClose((await sequence.step(next, { logits: "all" })).logits!, after!, 1e-4);
      });
    }
  });

  test("are in text what one number is", async () => {
    await withSections([2, 3, 3], async (model) => {
      const one = await model.createSequence();
      const { logits: expected } = await one.step({ tokens: prompt }, { logits: "all" });
      const three = await model.createSequence();
      const list = [...prompt.keys()];
      const positions = Int32Array.from([...list, ...list, ...list]);
      const { logits } = await three.step({ tokens: prompt, positions }, { logits: "all" });
      expectClose(logits!, expected!, 1e-6);
    });
  });

  test("stay apart when rows go, or move together", async () => {
    // Keys and values of a single layer do not depend on other rows.
    const single = { ...config, layers: 1 };
    const kept = [0, 3, 4, 6, 8, 9];
    const at = (slots: readonly number[], of: Int32Array): Int32Array =>
      Int32Array.from([0, 1, 2].flatMap((axis) => slots.map((s) => of[axis * prompt.length + s]!)));
    const tokens = Uint32Array.from(kept, (slot) => prompt[slot]!);
    const next = { tokens: Uint32Array.of(7) };
    await withSections(
      [2, 3, 3],
      async (model) => {
        const run = async (sequence: Sequence, positions: Int32Array, ids: Uint32Array) =>
          rowsOf((await sequence.step({ tokens: ids, positions }, { logits: "all" })).logits!, 0);
        for (const mode of ["absolute", "cache-relative"] as const) {
          const sequence = await model.createSequence({ positions: mode });
          await run(sequence, plan.positions, prompt);
          await sequence.keep(Uint32Array.from(kept));
          // Token 1 was all that stood at position 1; the others have neighbours at their numbers.
          const moved = plan.positions.map((p) => (mode === "absolute" || p < 1 ? p : p - 1));
          const fresh = await model.createSequence({ positions: "absolute" });
          await run(fresh, at(kept, moved), tokens);
          const { logits } = await sequence.step(next, { logits: "last" });
          expectClose(logits!, (await fresh.step(next, { logits: "last" })).logits!, 1e-4);
        }
      },
      single,
    );
  });

  test("are refused of another length", async () => {
    await withSections([2, 3, 3], async (model) => {
      const sequence = await model.createSequence();
      const step = (length: number) =>
        sequence.step({ tokens: prompt, positions: new Int32Array(length) }, { logits: "none" });
      for (const length of [9, 20, 31])
        await expect(step(length)).rejects.toMatchObject({ code: "shape" });
      await expect(
        sequence.step(
          { tokens: Uint32Array.of(1), positions: Int32Array.of(0, -1, 0) },
          { logits: "none" },
        ),
      ).rejects.toMatchObject({ code: "range" });
    });
  });
});
