import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { anyRes, selectByThumbnail } from "../../src/index.ts";
import { normalRows } from "./fixtures.ts";

const square = { cols: 2, rows: 2, width: 672, height: 672 };

/** Scores of 6 × 6 cells whose quarters sum up to 4, 8, 0 and 20. */
const quarters = new Float32Array(36);
quarters.set([4], 0);
quarters.set([8], 3);
quarters.set([20], 35);

describe("selectByThumbnail", () => {
  test("keeps the specified numbers of each tile", () => {
    const tiles = [1, 2, 3, 4].map((seed) => normalRows(seed, 36, 1).data);
    const keep = selectByThumbnail(quarters, tiles, { ...square, ratio: 0.25 });
    const [thumbnail, local] = split(keep, 36);
    expect(thumbnail.length).toBe(9);
    const cells = local.filter((row) => row % 13 !== 12);
    expect(local.length - cells.length).toBe(12);
    const perTile = [0, 0, 0, 0];
    for (const row of cells) {
      perTile[2 * Math.floor(Math.floor(row / 13) / 6) + Math.floor((row % 13) / 6)]!++;
    }
    expect(perTile).toEqual([7, 8, 7, 12]);
  });

  test("keeps everything of a ratio of one, padding left out and newlines in their places", () => {
    for (const [width, height] of [
      [640, 480],
      [500, 1500],
      [1000, 300],
    ] as const) {
      const plan = anyRes()(width, height);
      const tiles = Array.from(
        { length: plan.cols * plan.rows },
        (_, i) => normalRows(i, 576, 1).data,
      );
      const options = { width, height, cols: plan.cols, rows: plan.rows };
      const scores = normalRows(9, 576, 1).data;
      const all = selectByThumbnail(scores, tiles, { ...options, ratio: 1 });
      expect([...all]).toEqual([...Array(plan.tokens).keys()]);
      const some = new Set(selectByThumbnail(scores, tiles, { ...options, ratio: 0.1 }));
      expect(plan.newlines.every((row) => some.has(row))).toBe(true);
    }
  });

  test("weighs a tile's own scores and those of the thumbnail alike", () => {
    const thumbnail = new Float32Array(4).fill(1);
    const own = Float32Array.of(0, 1, 0, 0);
    const one = { cols: 1, rows: 1, width: 10, height: 10, ratio: 0.25 };
    const [, plain] = split(selectByThumbnail(thumbnail, [own], one), 4);
    expect([...plain]).toEqual([1, 2, 5]);
    const [, commanded] = split(selectByThumbnail(Float32Array.of(0, 0, 0, 9), [own], one), 4);
    // Both lengths are 1: the tie goes to the tile's own cell, which is first.
    expect([...commanded]).toEqual([1, 2, 5]);
    const ownLast = Float32Array.of(0, 0.6, 0, 0.8);
    const [, both] = split(selectByThumbnail(Float32Array.of(0, 0, 0, 9), [ownLast], one), 4);
    expect([...both]).toEqual([2, 4, 5]);
  });

  test("refuses tiles that do not fit", () => {
    const options = { ...square, ratio: 0.5 };
    expect(() => selectByThumbnail(quarters, [], options)).toThrow(
      new InferenceError("shape", "tiles: expected 4, got 0"),
    );
    const small = [1, 2, 3, 4].map(() => new Float32Array(4));
    expect(() => selectByThumbnail(quarters, small, options)).toThrow("tile: expected 36 entries");
  });
});

function split(keep: Uint32Array, thumbnail: number): [Uint32Array, Uint32Array] {
  const local = keep.filter((row) => row >= thumbnail);
  return [keep.filter((row) => row < thumbnail), local.map((row) => row - thumbnail)];
}
