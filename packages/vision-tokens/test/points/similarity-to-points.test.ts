import { describe, expect, test } from "vitest";

import { refinePoint, similarityToPoints } from "../../src/index.ts";
import { normalRows } from "../select/fixtures.ts";

const golden = Float32Array.of(0, 0.1, 0.9, 1);
const square = { width: 100, height: 100, shrink: 1 };

describe("similarityToPoints", () => {
  test("has the most similar first, then the least similar", () => {
    const { cells, labels, points } = similarityToPoints(golden, square);
    expect([...cells]).toEqual([3, 2, 0, 1]);
    expect([...labels]).toEqual([1, 1, 0, 0]);
    expect([...points]).toEqual([75, 75, 25, 75, 25, 25, 75, 25]);
    expect([...similarityToPoints(golden, { ...square, limit: 3 }).labels]).toEqual([1, 1, 0]);
  });

  test("does not depend on scale and shift", () => {
    const similarity = normalRows(1, 24 * 24, 1).data;
    const expected = similarityToPoints(similarity, { width: 640, height: 480 });
    expect(expected.cells.length).toBeGreaterThan(0);
    const moved = similarity.map((x) => 4 * x + 8);
    expect(similarityToPoints(moved, { width: 640, height: 480 })).toEqual(expected);
  });

  test.for([
    [640, 480, "both"],
    [480, 640, "both"],
    [640, 100, "end"],
    [30, 640, "end"],
  ] as const)("puts none in the padding of %i by %i, %s", ([width, height, padding]) => {
    const similarity = normalRows(2, 24 * 24, 1).data;
    const options = { width, height, padding, limit: 1000, low: 0.79 };
    const { points } = similarityToPoints(similarity, options);
    expect(points.length).toBeGreaterThan(0);
    for (let i = 0; i < points.length; i += 2) {
      expect(points[i]).toBeLessThan(width);
      expect(points[i + 1]).toBeLessThan(height);
    }
    // As many cells as have their middle in the picture.
    const longer = Math.max(width, height);
    const inside = (length: number): number => {
      const before = padding === "both" ? Math.floor((longer - length) / 2) : 0;
      const middles = Array.from({ length: 12 }, (_, i) => ((i + 0.5) * longer) / 12 - before);
      return middles.filter((middle) => middle > -1 && middle < length).length;
    };
    expect(points.length / 2).toBeLessThanOrEqual(inside(width) * inside(height));
  });

  test("a map without differences has none", () => {
    expect([...similarityToPoints(new Float32Array(16).fill(3), square).points]).toEqual([]);
  });

  test("halves the grid by means of four", () => {
    const similarity = new Float32Array(16).fill(0.5);
    similarity.set([1, 1], 0);
    similarity.set([1, 1], 4);
    similarity.set([0, 0], 10);
    similarity.set([0, 0], 14);
    const { cells, labels } = similarityToPoints(similarity, { width: 8, height: 8 });
    expect([...cells]).toEqual([0, 3]);
    expect([...labels]).toEqual([1, 0]);
  });

  test("refuses what makes no sense", () => {
    expect(() => similarityToPoints(new Float32Array(5), square)).toThrow("expected 4 entries");
    expect(() => similarityToPoints(Float32Array.of(Number.NaN), square)).toThrow("got NaN");
    expect(() => similarityToPoints(golden, { ...square, shrink: 3 })).toThrow("shrink: expected");
    expect(() => similarityToPoints(golden, { ...square, low: 0.9 })).toThrow("low: expected");
  });
});

describe("refinePoint", () => {
  const grid = { rows: 2, cols: 2 };
  const at = (cell: number): number[] =>
    refinePoint(golden, grid, cell).map((place) => Number(place.toFixed(6)));

  test("is the mean place around the point", () => {
    expect(at(3)).toEqual([0.75026, 0.869892]);
    expect(at(0)).toEqual([0.28905, 0.475021]);
  });

  test("stays where one cell outweighs all", () => {
    const similarity = Float32Array.of(0, 0, 90, 0);
    expect(refinePoint(similarity, grid, 2)).toEqual([
      expect.closeTo(0, 6) as number,
      expect.closeTo(1, 6) as number,
    ]);
    expect(() => refinePoint(golden, grid, 4)).toThrow(
      "cell: expected an integer in [0, 3], got 4",
    );
  });
});
