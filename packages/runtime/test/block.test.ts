import type { Block, ModelInfo } from "@frugal/core";
import { markovModel, seededRandom } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { checkBlock, fillBlockBias, isBranching, narrowBlockBias } from "../src/sequence/block.ts";
import { masked } from "../src/sequence/kv-store.ts";
import { fillPastBias, growTree, keepOfTree } from "../src/sequence/open-tree.ts";

const info: ModelInfo = {
  ...markovModel({ data: new Float32Array(100), rows: 10, cols: 10 }).info,
  hiddenSize: 4,
};

// The tree [[0],[1],[0,0],[0,1],[1,0],[0,0,0]] in rank paths, below a root.
const golden = {
  parents: Int32Array.of(-1, 0, 0, 1, 1, 2, 3),
  depths: [0, 1, 1, 2, 2, 2, 3],
  mask: ["1000000", "1100000", "1010000", "1101000", "1100100", "1010010", "1101001"],
};

/** The mask as text, one word per line. */
function maskRows(parents: Int32Array | undefined, rows: number, group = 1): string[] {
  const bias = new Float32Array(rows * group * rows).fill(7);
  fillBlockBias(parents, rows, bias);
  expect(bias.every((x) => x === 0 || x === Math.fround(masked))).toBe(true);
  return Array.from({ length: rows * group }, (_, i) =>
    Array.from(bias.subarray(i * rows, (i + 1) * rows), (x) => (x === 0 ? "1" : "0")).join(""),
  );
}

describe("a block's tree", () => {
  test("has the known mask", () => {
    expect(maskRows(golden.parents, 7)).toEqual(golden.mask);
  });

  test("repeats every line for the query heads of a group", () => {
    const lines = golden.mask.flatMap((line) => [line, line, line]);
    expect(maskRows(golden.parents, 7, 3)).toEqual(lines);
  });

  test("is a lower triangle for a chain, with or without parents", () => {
    const chain = ["1000", "1100", "1110", "1111"];
    expect(maskRows(undefined, 4)).toEqual(chain);
    expect(maskRows(Int32Array.of(-1, 0, 1, 2), 4)).toEqual(chain);
  });

  test("sees itself and its ancestors and nothing else", () => {
    const random = seededRandom(1);
    for (let trial = 0; trial < 100; trial++) {
      const rows = 1 + random.below(20);
      const parents = random.parents(rows);
      for (const [i, line] of maskRows(parents, rows).entries()) {
        const seen = new Set<number>();
        for (let at = i; at >= 0; at = parents[at]!) seen.add(at);
        expect(line.split("").flatMap((c, j) => (c === "1" ? [j] : []))).toEqual(
          [...seen].toSorted((a, b) => a - b),
        );
      }
      expect(isBranching(parents)).toBe(parents.some((parent, i) => parent !== i - 1));
    }
  });
});

describe("a sliding window", () => {
  const seen = (bias: Float32Array, cols: number): string[] =>
    Array.from({ length: bias.length / cols }, (_, i) =>
      Array.from(bias.subarray(i * cols, (i + 1) * cols), (x) => (x === 0 ? "1" : "0")).join(""),
    );

  test("hides the ancestors that are too far above, by their positions", () => {
    const bias = new Float32Array(7 * 2 * 7);
    fillBlockBias(golden.parents, 7, bias);
    narrowBlockBias(Int32Array.from(golden.depths), 2, bias);
    const narrow = ["1000000", "1100000", "1010000", "0101000", "0100100", "0010010", "0001001"];
    expect(seen(bias, 7)).toEqual(narrow.flatMap((line) => [line, line]));
  });
});

describe("checkBlock", () => {
  const ids = Uint32Array.of(1, 2, 3);
  const rows = { data: new Float32Array(8), rows: 2, cols: 4 };

  test("counts the rows", () => {
    expect(checkBlock({ tokens: ids }, info, 1)).toBe(3);
    expect(checkBlock({ embeddings: rows }, info, 1)).toBe(2);
    expect(checkBlock({ tokens: ids, parents: Int32Array.of(-1, -1, 0) }, info, 1)).toBe(3);
  });

  test.for<[string, Block, string, string]>([
    ["neither input", {}, "shape", "got neither"],
    ["both inputs", { tokens: ids, embeddings: rows }, "shape", "got both"],
    ["no rows", { tokens: new Uint32Array() }, "shape", "got 0"],
    ["half a row", { embeddings: { ...rows, rows: 0.5 } }, "shape", "got 0.5"],
    ["narrow rows", { embeddings: { ...rows, cols: 3 } }, "shape", "got [2, 3] with 8 values"],
    ["missing values", { embeddings: { ...rows, rows: 3 } }, "shape", "expected [3, 4]"],
    ["an unknown id", { tokens: Uint32Array.of(9, 10) }, "range", "tokens[1]: expected an id"],
    [
      "too few parents",
      { tokens: ids, parents: Int32Array.of(-1) },
      "shape",
      "parents: expected 3",
    ],
    ["too many positions", { tokens: ids, positions: new Int32Array(4) }, "shape", "got 4"],
    ["its own parent", { tokens: ids, parents: Int32Array.of(0, 0, 0) }, "range", "parents[0]"],
    ["a later parent", { tokens: ids, parents: Int32Array.of(-1, 2, 0) }, "range", "got 2"],
    ["a parent before the text", { tokens: ids, parents: Int32Array.of(-2, 0, -3) }, "range", "-3"],
  ])("refuses %s", ([, block, code, message]) => {
    expect(() => checkBlock(block, info, 1)).toThrow(expect.objectContaining({ code }));
    expect(() => checkBlock(block, info, 1)).toThrow(message);
  });
});

describe("an open tree", () => {
  test("is null for a path", () => {
    expect(growTree(null, 5, undefined)).toBeNull();
    expect(growTree(null, 5, Int32Array.of(-1, 0, 1))).toBeNull();
    expect(growTree(null, 5, Int32Array.of(-1, -1))).toEqual({
      start: 5,
      parents: Int32Array.of(-1, -1),
    });
  });

  test("begins where the first branch leaves the path", () => {
    expect(growTree(null, 5, Int32Array.of(-3, 0))).toEqual({
      start: 3,
      parents: Int32Array.of(-1, 0, -1, 2),
    });
    expect(growTree(null, 2, Int32Array.of(-3))).toEqual({
      start: 0,
      parents: Int32Array.of(-1, 0, -1),
    });
  });

  test("is the same in one block or in several, and so is its mask", () => {
    const random = seededRandom(3);
    for (let trial = 0; trial < 200; trial++) {
      const path = random.below(4);
      const rows = 2 + random.below(12);
      // Every row below any earlier row or slot.
      const parents = Int32Array.from(
        { length: rows },
        (_, i) => random.below(i + path + 1) - path - 1,
      );
      const cut = 1 + random.below(rows - 1);
      const first = growTree(null, path, parents.subarray(0, cut));
      const rest = parents.subarray(cut).map((parent) => parent - cut);
      const tree = growTree(first, path + cut, rest);
      const parentOf = (slot: number): number =>
        tree === null || slot < tree.start
          ? slot - 1
          : tree.start + tree.parents[slot - tree.start]!;
      for (let row = 0; row < rows; row++) expect(parentOf(path + row)).toBe(path + parents[row]!);
      if (tree === null) continue;
      const capacity = path + rows + 3;
      const bias = new Float32Array(2 * rest.length * capacity);
      fillPastBias(tree, path + cut, 2, capacity, bias);
      for (let line = 0; line < 2 * rest.length; line++) {
        const seen = new Set<number>();
        for (let slot = path + cut + (line >> 1); slot >= 0; slot = parentOf(slot)) seen.add(slot);
        for (let slot = 0; slot < path + cut; slot++) {
          expect(bias[line * capacity + slot] === 0).toBe(seen.has(slot));
        }
        expect(bias[line * capacity + path + cut]).toBe(Math.fround(masked));
      }
    }
  });

  test("closes when one path of the known tree is kept", () => {
    const tree = growTree(null, 10, golden.parents)!;
    const cached = Array.from({ length: 10 }, (_, i) => i);
    expect(keepOfTree(tree, Uint32Array.from([...cached, 10, 12, 15]))).toBeNull();
    expect(keepOfTree(tree, Uint32Array.from(cached))).toBeNull();
    expect(keepOfTree(tree, Uint32Array.from([...cached, 10, 11, 12]))).toEqual({
      start: 10,
      parents: Int32Array.of(-1, 0, 0),
    });
    // 3 and 5 have their parents 1 and 2 dropped, and meet in the root.
    expect(keepOfTree(tree, Uint32Array.of(3, 10, 13, 15))).toEqual({
      start: 1,
      parents: Int32Array.of(-1, 0, 0),
    });
  });

  test("keeps the ancestry among the rows that stay", () => {
    const random = seededRandom(2);
    for (let trial = 0; trial < 200; trial++) {
      const start = random.below(4);
      const parents = random.parents(2 + random.below(12));
      const tree = growTree(null, start, parents);
      if (tree === null) continue;
      const slots = random.subset(start + parents.length, 0.6);
      const rest = keepOfTree(tree, slots);
      const kept = [...slots].filter((slot) => slot >= start).map((slot) => slot - start);
      const above = (row: number): number[] => {
        const path: number[] = [];
        for (let at = parents[row]!; at >= 0; at = parents[at]!) path.push(at);
        return path;
      };
      const expected = kept.map((row) => {
        const nearest = above(row).find((ancestor) => kept.includes(ancestor));
        return nearest === undefined ? -1 : kept.indexOf(nearest);
      });
      const chain = kept.map((_, i) => i - 1);
      expect(rest === null ? chain : [...rest.parents]).toEqual(expected);
    }
  });
});
