import { describe, expect, test } from "vitest";

import {
  applyReduction,
  followSources,
  mergeBipartite,
  mergeSchedule,
  restoreRows,
  rowSources,
  sizeBias,
} from "../../src/index.ts";
import { normalRows } from "../select/fixtures.ts";

describe("where rows went", () => {
  test("through layers is a partition, and sizes count it", () => {
    let rows = normalRows(3, 33, 8);
    let sizes = new Float32Array(33).fill(1);
    let source: Int32Array = Int32Array.from({ length: 33 }, (_, row) => row);
    const total = normalRows(3, 33, 8).data.reduce((sum, value) => sum + value, 0);
    for (const count of mergeSchedule(4, 5, -1)) {
      const merge = mergeBipartite(rows, count, { sizes, classToken: true });
      source = followSources(source, rowSources(merge.reduction));
      rows = applyReduction(merge.reduction, rows);
      sizes = Float32Array.from(merge.sizes);
    }
    expect(rows.rows).toBe(33 - 10 - 6 - 3);
    const counts = new Float32Array(rows.rows);
    for (const row of source) counts[row]!++;
    expect(counts).toEqual(sizes);
    const weighed = rows.data.map((value, i) => value * sizes[Math.floor(i / rows.cols)]!);
    expect(weighed.reduce((sum, value) => sum + value, 0)).toBeCloseTo(total, 3);
  });

  test("brings them back: constants as they were, what was left out as zeros", () => {
    const constant = { data: new Float32Array(12).fill(3), rows: 6, cols: 2 };
    const { reduction } = mergeBipartite(normalRows(1, 6, 3), 2);
    const source = rowSources(reduction);
    expect(restoreRows(applyReduction(reduction, constant), source)).toEqual(constant);
    const two = { data: Float32Array.of(1, 2), rows: 2, cols: 1 };
    expect([...restoreRows(two, Int32Array.of(1, -1, 0)).data]).toEqual([2, 0, 1]);
  });

  test("is -1 for rows left out in either step", () => {
    const both = followSources(Int32Array.of(0, -1, 1, 2), Int32Array.of(1, -1, 0));
    expect([...both]).toEqual([1, -1, -1, 0]);
    expect(() => followSources(Int32Array.of(3), Int32Array.of(0))).toThrow(
      "source: expected rows below 1, got 3",
    );
    expect(() => restoreRows({ data: Float32Array.of(1), rows: 1, cols: 1 }, both)).toThrow(
      "source: expected rows below 1, got 1",
    );
  });
});

test("sizeBias is the logarithm", () => {
  expect([...sizeBias(Float32Array.of(1, Math.E, 4))]).toEqual([
    0,
    expect.closeTo(1, 6),
    expect.closeTo(Math.log(4), 6),
  ]);
  expect(() => sizeBias(Float32Array.of(0))).toThrow("sizes");
});
