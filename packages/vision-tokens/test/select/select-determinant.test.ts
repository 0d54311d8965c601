import { InferenceError, type Matrix } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { selectDeterminant, unitRows } from "../../src/index.ts";
import { normalRows } from "./fixtures.ts";

const cones = [0, 10, 90, 100, 45, 200].flatMap((angle) => {
  const radians = (angle * Math.PI) / 180;
  return [Math.cos(radians), Math.sin(radians), 0.5];
});
const features = { data: Float32Array.from(cones), rows: 6, cols: 3 };
const relevance = Float32Array.of(0.9, 0.8, 0.5, 0.4, 0.2, 0.1);

describe("selectDeterminant", () => {
  test("gives the specified rows and gains, here the best of all", () => {
    const { order, gains, keep } = selectDeterminant(features, relevance, 3);
    expect([...order]).toEqual([0, 2, 5]);
    expect([...keep]).toEqual([0, 2, 5]);
    expect([...gains].map((gain) => Number(gain.toFixed(6)))).toEqual([0.81, 0.24, 0.006942]);
    expect(product(gains)).toBeCloseTo(bestDeterminant(features, relevance, 3), 9);
    expect(product(gains)).toBeCloseTo(0.001349, 6);
  });

  test("gains multiply to the determinant, which no greedy choice lifts above the best", () => {
    for (let seed = 0; seed < 40; seed++) {
      const x = normalRows(seed, 7, 5);
      const r = normalRows(seed + 100, 7, 1).data.map(Math.abs);
      const count = 1 + (seed % 4);
      const { order, gains } = selectDeterminant(x, r, count);
      expect(product(gains)).toBeCloseTo(determinantOf(x, r, [...order]), 6);
      expect(product(gains)).toBeLessThanOrEqual(bestDeterminant(x, r, count) + 1e-6);
    }
  });

  test("equals updating every row after each choice", () => {
    for (const [rows, cols, count] of [
      [60, 8, 7],
      [200, 70, 60],
    ] as const) {
      const r = normalRows(3, rows, 1).data.map((x) => Math.min(1, Math.exp(x) / 3));
      for (const x of [normalRows(rows, rows, cols), twice(normalRows(7, rows, cols))]) {
        const { order, gains } = selectDeterminant(x, r, count);
        const expected = naive(x, r, count);
        expect([...order]).toEqual(expected.order);
        for (const [i, gain] of gains.entries()) expect(gain).toBeCloseTo(expected.gains[i]!, 12);
      }
    }
  });

  test("stops when nothing is left to add", () => {
    const same = { data: new Float32Array(8).fill(1), rows: 4, cols: 2 };
    expect([...selectDeterminant(same, new Float32Array(4).fill(1), 3).order]).toEqual([0]);
    expect([...selectDeterminant(features, new Float32Array(6), 3).order]).toEqual([]);
    expect([...selectDeterminant(features, relevance, 0).order]).toEqual([]);
  });

  test("refuses negative relevance", () => {
    expect(() =>
      selectDeterminant(
        features,
        relevance.map((r) => r - 0.5),
        2,
      ),
    ).toThrow(InferenceError);
  });
});

/** The greedy algorithm by its definition: what is left of every row, at every step. */
function naive(x: Matrix, r: Float32Array, count: number) {
  const { data, rows, cols } = unitRows(x);
  const residual = Array.from({ length: rows }, (_, i) =>
    Array.from(data.subarray(i * cols, (i + 1) * cols), (value) => value * r[i]!),
  );
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, c) => sum + value * b[c]!, 0);
  const order: number[] = [];
  const gains: number[] = [];
  while (order.length < count) {
    const left = residual.map((row, i) => (order.includes(i) ? -Infinity : dot(row, row)));
    const best = left.indexOf(Math.max(...left));
    order.push(best);
    gains.push(left[best]!);
    const pivot = residual[best]!.slice();
    for (const row of residual) {
      const share = dot(row, pivot) / left[best]!;
      for (const [c, value] of pivot.entries()) row[c]! -= share * value;
    }
  }
  return { order, gains };
}

/** Every second row is the one before. */
function twice({ data, rows, cols }: Matrix): Matrix {
  const out = data.slice();
  for (let row = 0; row + 1 < rows; row += 2) {
    out.copyWithin((row + 1) * cols, row * cols, (row + 1) * cols);
  }
  return { data: out, rows, cols };
}

function product(values: Float64Array): number {
  return values.reduce((a, b) => a * b, 1);
}

function bestDeterminant(x: Matrix, r: Float32Array, count: number): number {
  let best = 0;
  for (let mask = 0; mask < 1 << x.rows; mask++) {
    const rows = [...Array(x.rows).keys()].filter((i) => mask & (1 << i));
    if (rows.length === count) best = Math.max(best, determinantOf(x, r, rows));
  }
  return best;
}

/** Of the kernel of some rows, by expansion along the first row. */
function determinantOf(x: Matrix, r: Float32Array, rows: number[]): number {
  const { data, cols } = unitRows(x);
  const kernel = rows.map((i) =>
    rows.map((j) => {
      let sum = 0;
      for (let c = 0; c < cols; c++) sum += data[i * cols + c]! * data[j * cols + c]!;
      return r[i]! * r[j]! * sum;
    }),
  );
  return expand(kernel);
}

function expand(m: number[][]): number {
  if (m.length === 0) return 1;
  return m[0]!.reduce((sum, x, col) => {
    const minor = m.slice(1).map((row) => row.filter((_, j) => j !== col));
    return sum + (col % 2 === 0 ? x : -x) * expand(minor);
  }, 0);
}
