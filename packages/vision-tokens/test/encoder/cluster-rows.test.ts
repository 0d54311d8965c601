import { InferenceError, type Matrix } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { clusterRows, type ClusterRowsOptions, reconstructRows } from "../../src/index.ts";
import { normalRows } from "../select/fixtures.ts";

const map: Matrix = {
  data: Float32Array.of(0, 0, 4, 4, 0, 1, 4, 4, 2, 2, 8, 8, 2, 2, 8, 9),
  rows: 16,
  cols: 1,
};
const grid = { rows: 4, cols: 4 };
const four = { rows: 2, cols: 2 };
const options = { temperature: 0.5, window: 3 } as const;

function expectValues({ data }: Matrix, expected: readonly number[], digits = 5): void {
  expect(data.length).toBe(expected.length);
  expected.forEach((value, i) => expect(data[i]).toBeCloseTo(value, digits));
}

describe("clusterRows", () => {
  test.for<[number, number[]]>([
    [0, [0.25, 4, 2, 8.25]],
    [1, [0.481726, 3.790165, 1.947221, 8.249617]],
    [5, [0.645887, 3.71536, 1.76119, 8.249536]],
  ])("after %i iterations", ([iterations, expected]) => {
    expectValues(clusterRows(map, grid, four, { ...options, iterations }), expected);
  });

  test("with a centre per row and no softness changes nothing", () => {
    const rows = normalRows(1, 20, 3);
    const shape = { rows: 4, cols: 5 };
    expectValues(clusterRows(rows, shape, shape, { temperature: 1e4 }), [...rows.data]);
  });

  test("of equal rows gives equal centres, whatever the window leaves out", () => {
    const equal = { data: new Float32Array(63).fill(2), rows: 63, cols: 1 };
    for (const window of [1, 3, 99]) {
      const centres = clusterRows(equal, { rows: 7, cols: 9 }, { rows: 3, cols: 4 }, { window });
      expectValues(centres, Array<number>(12).fill(2));
    }
  });

  test("with a window of one cell averages each cell's own rows", () => {
    // 4 by 4 in 2 by 2 cells: the pooled means, which stay what they are.
    expectValues(clusterRows(map, grid, four, { window: 1 }), [0.25, 4, 2, 8.25]);
  });

  test.for<[ClusterRowsOptions, string]>([
    [{ window: 2 }, "window: expected an odd number, got 2"],
    [{ temperature: 0 }, "temperature"],
    [{ iterations: -1 }, "iterations"],
  ])("refuses %o", ([wrong, message]) => {
    expect(() => clusterRows(map, grid, four, wrong)).toThrow(message);
    expect(() => clusterRows(map, { rows: 4, cols: 3 }, four)).toThrow(InferenceError);
    expect(() => clusterRows(map, grid, { rows: 5, cols: 2 })).toThrow(InferenceError);
  });
});

describe("reconstructRows", () => {
  const centres = clusterRows(map, grid, four, options);

  test("gives the specified rows", () => {
    const rows = reconstructRows(map, centres, centres, { neighbours: 2, temperature: 0.5 });
    expectValues({ ...rows, data: rows.data.slice(0, 4) }, [0.8769, 0.8769, 3.562341, 3.562341]);
    expectValues({ ...rows, data: rows.data.slice(12) }, [1.436122, 1.436122, 8.249053, 8.249531]);
  });

  test("keeps a constant, and scales it by the root of equal neighbours as the reference does", () => {
    const constant = { data: new Float32Array(4).fill(3), rows: 4, cols: 1 };
    const ones = { data: new Float32Array(2).fill(1), rows: 2, cols: 1 };
    const middle = { data: Float32Array.of(0, 2), rows: 2, cols: 1 };
    const flat = reconstructRows(map, centres, constant, { temperature: 0.5 });
    expectValues(flat, Array<number>(16).fill(3));
    const l2 = reconstructRows({ ...ones, rows: 2 }, middle, ones, { norm: "l2" });
    expectValues(l2, [Math.SQRT2, Math.SQRT2]);
    expectValues(reconstructRows(ones, middle, ones), [1, 1]);
  });

  test("far from every cluster still follows the nearest", () => {
    const far = { data: Float32Array.of(1e6), rows: 1, cols: 1 };
    const values = { data: Float32Array.of(1, 2, 3, 4), rows: 4, cols: 1 };
    expectValues(reconstructRows(far, centres, values, { temperature: 0.5 }), [4]);
  });

  test("refuses what does not fit", () => {
    const wide = normalRows(1, 4, 2);
    expect(() => reconstructRows(map, wide, wide)).toThrow("centres: expected 1 entries, got 2");
    expect(() => reconstructRows(map, centres, normalRows(1, 3, 1))).toThrow("after");
    expect(() => reconstructRows(map, centres, centres, { neighbours: 5 })).toThrow("neighbours");
  });
});
