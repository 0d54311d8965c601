import { type Matrix, philox } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  applyReduction,
  averagePool,
  mergeBipartite,
  mergeHalving,
  type Reduction,
  selectCovering,
  selectDeterminant,
  selectMaxMin,
  unitRows,
} from "../../src/index.ts";
import { normalRows } from "./fixtures.ts";

// What a method does to small things in an image, without a model: twenty things of two cells on a smooth
// background of 24 × 24 cells. A thing is covered if a row of the result has a cosine of 0.9 with it.
const side = 24;
const width = 64;
const things = 20;
const scenes = Array.from({ length: 20 }, (_, seed) => sceneOf(seed));

describe.each([
  [58, 0.191407],
  [144, 0.437826],
])("of %i rows", (count, exact) => {
  test("a random choice covers what chance says", () => {
    expect(1 - ((576 - count) * (575 - count)) / (576 * 575)).toBeCloseTo(exact, 6);
    const covered = coverage(({ features }, seed) => pick(features, randomRows(seed, count)));
    const deviation = Math.sqrt((exact * (1 - exact)) / (20 * things));
    expect(Math.abs(mean(covered) - exact)).toBeLessThan(4 * deviation);
    // Every k-th row: a thing of two cells is hit by one of its cells at most.
    const even = Uint32Array.from({ length: count }, (_, i) => Math.floor((i * 576) / count));
    const strided = mean(coverage(({ features }) => pick(features, even)));
    expect(Math.abs(strided - count / 288)).toBeLessThan(4 * deviation);
  });

  test.each([
    ["selectMaxMin", (x: Matrix) => selectMaxMin(x, count).keep],
    ["selectCovering", (x: Matrix) => selectCovering(x, count).keep],
  ])("%s covers everything", (_, select) => {
    const covered = coverage(({ features }) => pick(features, select(features)));
    expect(covered).toEqual(Array(20).fill(1));
  });

  test("selectDeterminant covers all but what is nearly a combination of other rows", () => {
    const covered = coverage(({ features }) => {
      return pick(features, selectDeterminant(features, ones(features), count).keep);
    });
    expect(mean(covered)).toBeGreaterThan(0.99);
  });
});

describe("what merges by a rate loses small things", () => {
  const mergedBy = (reduce: (features: Matrix) => Reduction) =>
    mean(coverage(({ features }) => applyReduction(reduce(features), features)));

  test("halving, since every second row must merge", () => {
    const quarter = mergedBy((x) => mergeHalving(x, 2));
    expect(quarter).toBeGreaterThan(0.2);
    expect(quarter).toBeLessThan(0.7);
    expect(mergedBy((x) => mergeHalving(x, 3))).toBeLessThan(0.3);
  });

  test("pooling, almost all of them", () => {
    const grid = { rows: side, cols: side };
    const pooled = (cells: number) =>
      mergedBy(() => averagePool(grid, { rows: cells, cols: cells }));
    expect(pooled(6)).toBe(0);
    expect(pooled(8)).toBeLessThan(0.02);
    expect(pooled(12)).toBeLessThan(0.05);
  });

  test("not if only what is similar merges", () => {
    const rounds = (minSimilarity: number) =>
      mean(
        coverage(({ features }) => {
          let rows = features;
          for (let round = 0; round < 3; round++) {
            const { reduction } = mergeBipartite(rows, rows.rows, { minSimilarity });
            rows = applyReduction(reduction, rows);
          }
          return rows;
        }),
      );
    expect(rounds(-1)).toBeLessThan(0.3);
    expect(rounds(0.8)).toBe(1);
  });
});

interface Scene {
  readonly features: Matrix;
  readonly prototypes: Matrix;
}

function sceneOf(seed: number): Scene {
  const coarse = normalRows(1000 + seed, 16, width).data;
  const noise = normalRows(2000 + seed, side * side, width).data;
  const prototypes = normalRows(3000 + seed, things, width);
  const data = new Float32Array(side * side * width);
  for (let cell = 0; cell < side * side; cell++) {
    const y = (Math.floor(cell / side) * 3) / (side - 1);
    const x = ((cell % side) * 3) / (side - 1);
    const [top, left] = [Math.min(2, Math.floor(y)), Math.min(2, Math.floor(x))];
    const [v, u] = [y - top, x - left];
    for (let c = 0; c < width; c++) {
      const at = (row: number, col: number) => coarse[((top + row) * 4 + left + col) * width + c]!;
      const upper = (1 - u) * at(0, 0) + u * at(0, 1);
      const lower = (1 - u) * at(1, 0) + u * at(1, 1);
      data[cell * width + c] = (1 - v) * upper + v * lower + 0.3 * noise[cell * width + c]!;
    }
  }
  for (const [thing, place] of placesOf(seed).entries()) {
    for (let i = 0; i < 2 * width; i++) {
      const at = 2 * place * width + i;
      data[at] = prototypes.data[thing * width + (i % width)]! + 0.15 * noise[at]!;
    }
  }
  return { features: { data, rows: side * side, cols: width }, prototypes };
}

/** Which of the pairs of cells side by side hold things. */
function placesOf(seed: number): Uint32Array {
  return shuffle(4000 + seed, (side * side) / 2).slice(0, things);
}

function randomRows(seed: number, count: number): Uint32Array {
  return shuffle(5000 + seed, side * side)
    .slice(0, count)
    .sort();
}

function shuffle(seed: number, count: number): Uint32Array {
  const rng = philox(seed);
  const keys = Float64Array.from({ length: count }, (_, i) => rng.uniform(i));
  return Uint32Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]!);
}

function pick({ data, cols }: Matrix, keep: Uint32Array): Matrix {
  const out = new Float32Array(keep.length * cols);
  for (const [i, row] of keep.entries()) {
    out.set(data.subarray(row * cols, (row + 1) * cols), i * cols);
  }
  return { data: out, rows: keep.length, cols };
}

function ones({ rows }: Matrix): Float32Array {
  return new Float32Array(rows).fill(1);
}

/** Per scene, the share of its things that are covered. */
function coverage(reduce: (scene: Scene, seed: number) => Matrix): number[] {
  return scenes.map((scene, seed) => {
    const rows = unitRows(reduce(scene, seed));
    const wanted = unitRows(scene.prototypes);
    let covered = 0;
    for (let thing = 0; thing < things; thing++) {
      let highest = -1;
      for (let row = 0; row < rows.rows; row++) {
        let cosine = 0;
        for (let c = 0; c < width; c++) {
          cosine += rows.data[row * width + c]! * wanted.data[thing * width + c]!;
        }
        highest = Math.max(highest, cosine);
      }
      if (highest >= 0.9) covered++;
    }
    return covered / things;
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
