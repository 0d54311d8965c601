import { expect, test } from "vitest";

import { joinRows, type Matrix, pickRows } from "../src/index.ts";

const matrix = (...rows: number[][]): Matrix => ({
  data: Float32Array.from(rows.flat()),
  rows: rows.length,
  cols: 2,
});

test("pickRows takes rows in any order and more than once, as copies", () => {
  const x = matrix([1, 2], [3, 4], [5, 6]);
  const picked = pickRows(x, [2, 0, 2]);
  expect(picked).toEqual(matrix([5, 6], [1, 2], [5, 6]));
  picked.data.fill(0);
  expect(x).toEqual(matrix([1, 2], [3, 4], [5, 6]));
  expect(pickRows(x, new Uint32Array())).toEqual(matrix());
});

test("joinRows puts one below the other, and picking undoes it", () => {
  const [a, b, none] = [matrix([1, 2], [3, 4]), matrix([5, 6]), matrix()];
  const joined = joinRows(a, none, b);
  expect(joined).toEqual(matrix([1, 2], [3, 4], [5, 6]));
  expect(pickRows(joined, [0, 1])).toEqual(a);
  expect(joinRows(b)).toBe(b);
});
