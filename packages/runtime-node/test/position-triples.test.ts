import type { Block, LanguageModel, Matrix, Sequence } from "@frugal/core";
import { expectClose, seededRandom, testLanguageModel } from "@frugal/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";

const folder = new URL("oracles/vision-language/", import.meta.url);
const load = (options = {}) =>
  loadModel(new URL("qwen2-vl/", folder), { inline: true, chunk: 8, ...options });

testLanguageModel("a decoder with positions of three numbers", load, { trees: 12 });

const before = Uint32Array.of(5, 6, 7);
const after = Uint32Array.of(8, 9);
const next = Uint32Array.of(10);
const random = seededRandom(3);

/** A picture of 2 x 3 rows. */
const grid = [
  [0, 0],
  [0, 1],
  [0, 2],
  [1, 0],
  [1, 1],
  [1, 2],
] as const;
const picture: Matrix = {
  data: Float32Array.from({ length: 6 * 24 }, () => random.next() - 0.5),
  rows: 6,
  cols: 24,
};

/** Some cells of the picture, as the rows of one that begins at `start`. */
function cells(kept: readonly number[], start: number): Block {
  const { data, cols } = picture;
  const rows = kept.flatMap((cell) => [...data.subarray(cell * cols, (cell + 1) * cols)]);
  const axes = [
    kept.map(() => start),
    kept.map((cell) => start + grid[cell]![0]),
    kept.map((cell) => start + grid[cell]![1]),
  ];
  return {
    embeddings: { data: Float32Array.from(rows), rows: kept.length, cols },
    positions: Int32Array.from(axes.flat()),
  };
}

const all = [0, 1, 2, 3, 4, 5];

/** Text, picture, text. */
const prompt: readonly Block[] = [
  { tokens: before },
  cells(all, 3),
  { tokens: after, positions: Int32Array.of(6, 7) },
];

async function read(model: LanguageModel, blocks: readonly Block[], positions = relative) {
  const sequence = await model.createSequence({ positions });
  for (const block of blocks) await sequence.step(block, { logits: "none" });
  return sequence;
}

const relative = "cache-relative" as "cache-relative" | "absolute";

async function answer(sequence: Sequence, block: Block = { tokens: next }): Promise<Matrix> {
  return (await sequence.step(block, { logits: "all" })).logits!;
}

describe("positions of three numbers", () => {
  let model: LanguageModel;
  /** Its first layer, whose cached rows depend on nothing but themselves. */
  let shallow: LanguageModel;
  beforeAll(async () => {
    model = await load();
    shallow = await load({ layers: [0, 1] });
  });
  afterAll(async () => {
    await model.dispose();
    await shallow.dispose();
  });

  test("are a fact of the model", async () => {
    expect(model.info.rope).toEqual({ theta: 100, dim: 8, axes: 3 });
    const other = await loadModel(new URL("llava/", folder), { inline: true });
    expect(other.info.rope).toEqual({ theta: 10_000, dim: 8 });
    await other.dispose();
  });

  test("that are equal are one number, to the bit", async () => {
    const tokens = random.tokens(20, model.info.vocabSize);
    const places = Array.from(tokens, (_, i) => 3 + i);
    const [once, thrice, none] = await Promise.all(
      [
        { tokens, positions: Int32Array.from(places) },
        { tokens, positions: Int32Array.from([...places, ...places, ...places]) },
        { tokens },
      ].map(async (block) => answer(await model.createSequence(), block)),
    );
    expect(thrice).toEqual(once);
    expectClose(none!, once!, 1e-4);
  });

  test("go on behind the largest, and matter", async () => {
    for (const positions of ["cache-relative", "absolute"] as const) {
      const implied = await read(model, [prompt[0]!, prompt[1]!, { tokens: after }], positions);
      const stated = await read(model, prompt, positions);
      const logits = await answer(stated);
      expect(await answer(implied)).toEqual(logits);
      const flat = await read(model, [
        { tokens: before },
        { embeddings: picture },
        { tokens: after },
      ]);
      const other = await answer(flat);
      const difference = other.data.map((x, i) => Math.abs(x - logits.data[i]!));
      expect(Math.max(...difference)).toBeGreaterThan(0.01);
    }
  });

  test("stay when the end of a text without gaps is dropped, to the bit", async () => {
    const straight = await answer(await read(model, prompt));
    const sequence = await read(model, [...prompt, { tokens: Uint32Array.of(20, 21) }]);
    await sequence.keep(Uint32Array.from({ length: 11 }, (_, i) => i));
    expect(await answer(sequence)).toEqual(straight);
  });

  test("are those of a fork, which goes its own way", async () => {
    const straight = await answer(await read(model, prompt));
    const sequence = await read(model, prompt);
    const fork = await sequence.fork();
    await fork.keep(Uint32Array.of(0, 9, 10));
    expect(await answer(sequence)).toEqual(straight);
    await fork.dispose();
  });

  test("continue along every path of a tree", async () => {
    const tokens = Uint32Array.of(11, 12, 13, 14);
    const parents = Int32Array.of(-1, 0, 0, 2);
    const sequence = await read(model, prompt);
    const tree = await answer(sequence, { tokens, parents });
    const chain = await answer(await read(model, prompt), { tokens: Uint32Array.of(11, 13, 14) });
    for (const [i, row] of [0, 2, 3].entries()) {
      const of = ({ data, cols }: Matrix, at: number): Matrix => {
        return { data: data.subarray(at * cols, (at + 1) * cols), rows: 1, cols };
      };
      expectClose(of(tree, row), of(chain, i), 1e-4);
    }
    await sequence.keep(Uint32Array.from([...Array(11).keys(), 11, 13, 14]));
    const path = await read(model, [...prompt, { tokens: Uint32Array.of(11, 13, 14) }]);
    expectClose(await answer(sequence), await answer(path), 1e-4);
  });

  // Slots 0 to 2 are text, 3 to 8 the picture, 9 and 10 text.
  test.for<[string, number[], Block[]]>([
    [
      "text before a picture",
      [1, 3, 4, 5, 6, 7, 8, 9, 10],
      [{ tokens: before.subarray(1, 2) }, cells(all, 1), { tokens: after }],
    ],
    ["a whole picture", [0, 1, 2, 9, 10], [{ tokens: Uint32Array.of(5, 6, 7, 8, 9) }]],
    [
      "the last column of a picture",
      [0, 1, 2, 3, 4, 6, 7, 9, 10],
      [{ tokens: before }, cells([0, 1, 3, 4], 3), { tokens: after }],
    ],
    [
      "cells that leave all its rows and columns",
      [2, 4, 8, 10],
      [
        { tokens: before.subarray(2) },
        cells([1, 5], 1),
        { tokens: after.subarray(1), positions: Int32Array.of(4) },
      ],
    ],
  ])("close up when %s goes", async ([, slots, rest]) => {
    const sequence = await read(shallow, prompt);
    await sequence.keep(Uint32Array.from(slots));
    expect(sequence.length).toBe(slots.length);
    expectClose(await answer(sequence), await answer(await read(shallow, rest)), 1e-5);
  });

  test("do not close up where positions are absolute", async () => {
    const sequence = await read(shallow, prompt, "absolute");
    await sequence.keep(Uint32Array.of(1, 4, 8, 10));
    const rest = await read(
      shallow,
      [
        { tokens: before.subarray(1, 2), positions: Int32Array.of(1) },
        cells([1, 5], 3),
        { tokens: after.subarray(1), positions: Int32Array.of(7) },
      ],
      "absolute",
    );
    expectClose(await answer(sequence), await answer(rest), 1e-5);
  });

  test("are checked", async () => {
    const sequence = await model.createSequence();
    const step = (positions: number[]) =>
      sequence.step(
        { tokens: Uint32Array.of(1, 2), positions: Int32Array.from(positions) },
        { logits: "none" },
      );
    await expect(step([0, 1, 2, 3])).rejects.toMatchObject({
      code: "shape",
      message: "positions: expected 2 or 6 values, got 4",
    });
    await expect(step([0, 1, 0, 128, 0, 1])).rejects.toMatchObject({
      code: "range",
      message: expect.stringContaining("positions[3]: expected a position in [0, 128)") as string,
    });
    expect(sequence.length).toBe(0);
    const other = await loadModel(new URL("llava/", folder), { inline: true });
    const flat = await other.createSequence();
    const block = { tokens: next, positions: Int32Array.of(0, 0, 0) };
    await expect(flat.step(block, { logits: "none" })).rejects.toMatchObject({
      code: "shape",
      message: "positions: expected 1 values, got 3",
    });
    await other.dispose();
  });
});
