import { InferenceError, type Matrix } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  applyReduction,
  averagePool,
  pixelShuffle,
  resizeBilinear,
  resizeNearest,
} from "../../src/index.ts";
import oracle from "../oracles/grid-operators.json" with { type: "json" };
import { normalRows } from "../select/fixtures.ts";

const cases = oracle.grids.map((entry) => ({
  ...entry,
  before: sidesOf(entry.from),
  after: sidesOf(entry.to),
  x: matrix(entry.x, entry.width),
}));

describe("grids, as PyTorch makes them", () => {
  test.each(cases)("$from to $to", ({ before, after, x, bilinear, nearest }) => {
    expectNear(resizeBilinear(x, before, after).data, bilinear);
    expect([...resizeNearest(x, before, after).data]).toEqual(nearest);
  });

  test.each(cases.filter(({ average }) => average !== undefined))(
    "pools $from to $to",
    ({ before, after, x, average }) => {
      expectNear(applyReduction(averagePool(before, after), x).data, average!);
    },
  );

  test.each(oracle.shuffles)("shuffles $grid by $side", ({ grid, side, width, y }) => {
    const count = grid[0]! * grid[1]!;
    const x = matrix([...Array(count * width).keys()], width);
    const shuffled = pixelShuffle(x, sidesOf(grid), side);
    expect([...shuffled.data]).toEqual(y);
    expect([shuffled.rows, shuffled.cols]).toEqual([count / side ** 2, width * side ** 2]);
  });
});

describe("averagePool", () => {
  const pool = (side: number, x: Matrix) => {
    const before = Math.sqrt(x.rows);
    const grid = { rows: before, cols: before };
    return applyReduction(averagePool(grid, { rows: side, cols: side }), x);
  };

  test("gives the specified means", () => {
    const raster = matrix([...Array(16).keys()], 1);
    expect([...pool(2, raster).data]).toEqual([2.5, 4.5, 10.5, 12.5]);
    expect([...pool(1, raster).data]).toEqual([7.5]);
    const line = { rows: 1, cols: 5 };
    const thirds = averagePool(line, { rows: 1, cols: 3 });
    expect([...applyReduction(thirds, matrix([1, 2, 3, 4, 5], 1)).data]).toEqual([1.5, 3, 4.5]);
  });

  test("has the overlapping cells of 32 to 12", () => {
    const { starts, indices, keep } = averagePool({ rows: 1, cols: 32 }, { rows: 1, cols: 12 });
    const bins = [...keep.keys()].map((i) => [
      indices[starts[i]!]!,
      indices[starts[i + 1]! - 1]! + 1,
    ]);
    expect(bins.join(" ")).toBe("0,3 2,6 5,8 8,11 10,14 13,16 16,19 18,22 21,24 24,27 26,30 29,32");
  });

  test("nests where sides divide, and only there", () => {
    const x = normalRows(3, 32 * 32, 2);
    expectNear(pool(8, pool(16, x)).data, [...pool(8, x).data]);
    expectNear(pool(32, x).data, [...x.data]);
    const other = pool(4, pool(12, x)).data;
    expect(Math.max(...pool(4, x).data.map((v, i) => Math.abs(v - other[i]!)))).toBeGreaterThan(
      1e-3,
    );
  });

  test("a row of the result stands in its own place", () => {
    for (const after of [1, 2, 3, 5, 7]) {
      const { keep } = averagePool({ rows: 7, cols: 7 }, { rows: after, cols: 7 });
      expect(keep.length).toBe(new Set(keep).size);
      expect([...keep]).toEqual([...keep].sort((a, b) => a - b));
    }
  });
});

test("four cells become one row, in raster order", () => {
  const { data, rows, cols } = pixelShuffle(matrix([0, 1, 2, 3], 1), { rows: 2, cols: 2 }, 2);
  expect([rows, cols, ...data]).toEqual([1, 4, 0, 1, 2, 3]);
});

test("halving bilinearly gives the means of four", () => {
  const x = normalRows(5, 64, 3);
  const [grid, half] = [
    { rows: 8, cols: 8 },
    { rows: 4, cols: 4 },
  ];
  expectNear(resizeBilinear(x, grid, half).data, [
    ...applyReduction(averagePool(grid, half), x).data,
  ]);
});

test("refuse what does not fit", () => {
  const x = normalRows(1, 6, 2);
  const grid = { rows: 2, cols: 3 };
  expect(() => resizeBilinear(x, { rows: 2, cols: 2 }, grid)).toThrow(
    new InferenceError("shape", "features: expected 2 x 2 rows, got 6"),
  );
  expect(() => resizeNearest(x, grid, { rows: 0, cols: 3 })).toThrow(
    new InferenceError("range", "rows: expected an integer >= 1, got 0"),
  );
  expect(() => pixelShuffle(x, grid, 2)).toThrow(
    new InferenceError("range", "cols / side: expected an integer >= 1, got 1.5"),
  );
  expect(() => pixelShuffle(x, { rows: 4, cols: 4 }, 2)).toThrow("expected 4 x 4 rows");
  expect(() => averagePool(grid, { rows: 3, cols: 3 })).toThrow(
    new InferenceError("range", "rows: expected at most 2 to pool to, got 3"),
  );
});

function sidesOf([rows, cols]: readonly number[]) {
  return { rows: rows!, cols: cols! };
}

function matrix(values: readonly number[], cols: number): Matrix {
  return { data: Float32Array.from(values), rows: values.length / cols, cols };
}

function expectNear(values: Float32Array, expected: readonly number[]): void {
  expect(values.length).toBe(expected.length);
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i]!, 4);
}
