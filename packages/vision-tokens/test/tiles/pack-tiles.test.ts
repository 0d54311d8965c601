import type { Matrix } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  anyRes,
  applyReduction,
  countTiles,
  matryoshkaPool,
  packTiles,
  selectMaxMin,
  type TilePlan,
} from "../../src/index.ts";
import { normalRows } from "../select/fixtures.ts";

const newline: Matrix = { data: Float32Array.of(-1), rows: 1, cols: 1 };
const grids = [
  [2, 1],
  [1, 2],
  [2, 2],
] as const;

/** Rows that say tile, row and column of their cell: 213 is row 1, column 3 of tile 2. */
function cellsOf(plan: TilePlan, cells: number): Matrix {
  const rows = countTiles(plan) * cells * cells;
  const data = Float32Array.from({ length: rows }, (_, i) => {
    const cell = i % (cells * cells);
    return Math.floor(i / cells ** 2) * 100 + Math.floor(cell / cells) * 10 + (cell % cells);
  });
  return { data, rows, cols: 1 };
}

describe("packTiles", () => {
  test("puts the tiles side by side, behind the whole image", () => {
    const plan = anyRes({ tile: 8, cells: 2, grids })(16, 8);
    const { data, rows } = packTiles(cellsOf(plan, 2), plan, [16, 8], newline);
    expect(rows).toBe(plan.tokens);
    expect([...data]).toEqual(
      [0, 1, 10, 11].concat([100, 101, 200, 201, -1], [110, 111, 210, 211, -1]),
    );
  });

  test("cuts the padding off, and puts newlines where the plan says", () => {
    const plan = anyRes({ tile: 8, cells: 4, grids })(16, 4);
    const { data } = packTiles(cellsOf(plan, 4), plan, [16, 4], newline);
    expect(data.length).toBe(plan.tokens);
    const lines = [110, 111, 112, 113, 210, 211, 212, 213, -1, 120];
    expect([...data.subarray(16, 26)]).toEqual(lines);
    expect([...plan.newlines].map((row) => data[row])).toEqual([-1, -1]);
    expect([...data].filter((value) => value === -1)).toHaveLength(plan.newlines.length);
  });

  test("shrinks what the plan shrinks", () => {
    const plan = anyRes({ tile: 8, cells: 4, grids, maxTiles: 1 })(16, 16);
    expect([plan.cols, plan.rows, plan.newlines.length]).toEqual([2, 2, 4]);
    const { data } = packTiles(cellsOf(plan, 4), plan, [16, 16], newline);
    // Halving mixes four cells.
    expect([...data.subarray(16, 21)]).toEqual([105.5, 107.5, 205.5, 207.5, -1]);
  });

  test("takes tiles that were pooled one by one, with fewer newlines", () => {
    const [whole, pooled] = [24, 12].map((cells) => anyRes({ cells })(640, 480));
    expect([whole!.tokens, whole!.newlines.length]).toEqual([2340, 36]);
    expect([pooled!.tokens, pooled!.newlines.length]).toEqual([144 + 18 * 25, 18]);
    const grid = { rows: 24, cols: 24 };
    const pool = matryoshkaPool(grid, 144);
    const features = cellsOf(whole!, 24);
    const tiles = Array.from({ length: countTiles(whole!) }, (_, tile) => {
      const data = features.data.subarray(576 * tile, 576 * (tile + 1));
      return [...applyReduction(pool, { data, rows: 576, cols: 1 }).data];
    });
    const rows = { data: Float32Array.from(tiles.flat()), rows: 144 * tiles.length, cols: 1 };
    const packed = packTiles(rows, pooled!, [640, 480], newline);
    expect(packed.rows).toBe(pooled!.tokens);
    // The first local cell, of tile 1 under three rows of padding: means of rows 6 and 7, columns 0 and 1.
    expect(packed.data[144]).toBe(100 + 65 + 0.5);
  });

  test("what must differ leaves its newlines alone", () => {
    const plan = anyRes({ tile: 8, cells: 4, grids })(16, 4);
    const line = { data: Float32Array.of(1, 0), rows: 1, cols: 2 };
    const tiles = normalRows(4, 16 * countTiles(plan), 2);
    const packed = packTiles(tiles, plan, [16, 4], line);
    const candidates = Uint32Array.from({ length: plan.tokens }, (_, i) => i).filter(
      (row) => !plan.newlines.includes(row),
    );
    const { keep } = selectMaxMin(packed, 6, { candidates });
    expect([...keep].some((row) => plan.newlines.includes(row))).toBe(false);
    // Equal newlines among the candidates are one of them at most.
    const all = selectMaxMin(packed, 6).keep;
    expect(plan.newlines.filter((row) => all.includes(row)).length).toBeLessThanOrEqual(1);
  });

  test("refuses what does not fit", () => {
    const plan = anyRes({ tile: 8, cells: 2, grids })(16, 8);
    const features = cellsOf(plan, 2);
    const pack = (...args: Partial<Parameters<typeof packTiles>>) => {
      const [rows = features, given = plan, size = [16, 8], line = newline] = args;
      return () => packTiles(rows, given, size, line);
    };
    expect(pack({ ...features, rows: 10 })).toThrow("rows of 3 tiles of equal squares, got 10");
    expect(pack(features, plan, [16, 8], features)).toThrow(
      "newline: expected [1, 1], got [12, 1]",
    );
    expect(pack(features, plan, [16, 1])).toThrow("plan: expected one of an image of 16 by 1");
    expect(pack(features, { ...plan, overview: "last" })).toThrow("plan: expected");
    expect(pack(features, { ...plan, newlines: new Uint32Array() })).toThrow("plan: expected");
  });
});
