import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { labelRegions, roundHalfEven, selectFromRegions } from "../../src/index.ts";
import { normalRows } from "./fixtures.ts";

const grey = (values: readonly number[]) => ({
  data: Float32Array.from(values),
  rows: values.length,
  cols: 1,
});

describe("labelRegions", () => {
  test("joins right and below, not diagonally, in order of appearance", () => {
    const cells = grey([0, 0, 5, 9, 0, 5, 9, 9, 5]);
    expect([...labelRegions(cells, 3)]).toEqual([0, 0, 1, 2, 0, 1, 2, 2, 1]);
    expect([...labelRegions(grey([0, 5, 5, 0]), 2)]).toEqual([0, 1, 2, 3]);
  });

  test("takes the threshold strictly, so that 0 joins nothing", () => {
    expect([...labelRegions(grey([0, 0, 0, 0]), 2, 0)]).toEqual([0, 1, 2, 3]);
    expect([...labelRegions(grey([0, 1]), 2, 1)]).toEqual([0, 1]);
    expect([...labelRegions(grey([0, 1]), 2, 1.01)]).toEqual([0, 0]);
  });

  test("sees two equal frames at a threshold of 1 as one frame at the default", () => {
    const pixels = normalRows(5, 48, 3);
    const scaled = { ...pixels, data: pixels.data.map((x) => 0.4 * x) };
    const twice = { data: new Float32Array(48 * 6), rows: 48, cols: 6 };
    for (let i = 0; i < 48 * 6; i++) {
      twice.data[i] = scaled.data[3 * Math.floor(i / 6) + (i % 3)]!;
    }
    const labels = labelRegions(scaled, 8);
    expect(labelRegions(twice, 8, 1)).toEqual(labels);
    expect(new Set(labels).size).toBeGreaterThan(1);
    expect(new Set(labels).size).toBeLessThan(48);
  });

  test("equals a flood fill", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 36, maxLength: 36 }),
        (cols, values) => {
          const cells = values.slice(0, cols * Math.floor(36 / cols));
          expect([...labelRegions(grey(cells), cols)]).toEqual(flood(cells, cols));
        },
      ),
    );
  });

  test("refuses incomplete rows", () => {
    expect(() => labelRegions(grey([1, 2, 3]), 2)).toThrow(
      new InferenceError("range", "rows of cells: expected an integer >= 0, got 1.5"),
    );
  });
});

describe("selectFromRegions", () => {
  test.each([
    [1, [0]],
    [2, [0]],
    [3, [0]],
    [4, [0, 3]],
    [5, [0, 2, 4]],
    [7, [0, 3, 6]],
    [10, [0, 2, 4, 6, 9]],
  ])("of a region of %i keeps the specified cells", (size, kept) => {
    expect([...selectFromRegions(new Uint32Array(size))]).toEqual(kept);
  });

  test("halves a plain screenshot, and keeps a chequered one", () => {
    for (const n of [1, 2, 9, 48]) {
      const plain = labelRegions(grey(Array<number>(n).fill(7)), n);
      expect(selectFromRegions(plain).length).toBe(Math.max(1, n - roundHalfEven(n / 2)));
    }
    const chequered = Array.from({ length: 48 }, (_, i) => 9 * (((i >> 3) + i) % 2));
    expect(selectFromRegions(labelRegions(grey(chequered), 8)).length).toBe(48);
  });

  test("keeps every single cell, and everything when nothing is to be skipped", () => {
    const labels = Uint32Array.of(0, 1, 1, 2, 1, 1);
    expect([...selectFromRegions(labels, 1)]).toEqual([0, 1, 3]);
    expect([...selectFromRegions(labels, 0)]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(() => selectFromRegions(labels, 2)).toThrow("skip: expected a number in [0, 1], got 2");
  });
});

/** Regions of equal values, cell by cell. */
function flood(cells: readonly number[], cols: number): number[] {
  const labels = cells.map(() => -1);
  let next = 0;
  const fill = (cell: number, value: number): void => {
    if (cells[cell] !== value || labels[cell] !== -1) return;
    labels[cell] = next;
    if (cell % cols > 0) fill(cell - 1, value);
    if (cell % cols < cols - 1) fill(cell + 1, value);
    fill(cell - cols, value);
    fill(cell + cols, value);
  };
  for (const [cell, value] of cells.entries()) {
    if (labels[cell] !== -1) continue;
    fill(cell, value);
    next++;
  }
  return labels;
}
