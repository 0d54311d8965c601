import type { ImageEffort } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  chooseHeads,
  chooseWithdrawal,
  countNeighbors,
  type DecoderDims,
  decoderFlops,
  dropHeadsFrom,
  effortFlops,
  headShares,
  imageAlignment,
  meanDivergence,
  neighborMask,
  skipLayers,
} from "../../src/index.ts";

describe("neighborMask", () => {
  test("has 12,996 of 331,776 pairs on a grid of 24 by 24 with a window of 5", () => {
    const pairs = neighborMask(24, 24, 2).reduce((sum, seen) => sum + seen, 0);
    expect([pairs, countNeighbors(24, 24, 2), 24 ** 4]).toEqual([12_996, 12_996, 331_776]);
    expect(Number((100 * (pairs / 24 ** 4)).toFixed(2))).toBe(3.92);
  });

  test.each([
    [1, 1, 0],
    [5, 3, 1],
    [4, 7, 2],
    [3, 3, 9],
  ])("is what distances say: %i by %i, reach %i", (width, height, reach) => {
    const n = width * height;
    const mask = neighborMask(width, height, reach);
    const expected = Array.from({ length: n * n }, (_, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      const lines = Math.abs(Math.floor(i / width) - Math.floor(j / width));
      return lines <= reach && Math.abs((i % width) - (j % width)) <= reach ? 1 : 0;
    });
    expect([...mask]).toEqual(expected);
    expect(countNeighbors(width, height, reach)).toBe(
      expected.reduce<number>((sum, seen) => sum + seen, 0),
    );
  });

  test("of a window as large as the grid is dense", () => {
    expect(neighborMask(3, 2, 2).every((seen) => seen === 1)).toBe(true);
  });
});

describe("heads", () => {
  test("shares are attention to images over attention to the rest", () => {
    const data = Float32Array.of(0.2, 0.6, 0.2, 0.5, 0.25, 0.25, 1, 0, 0, 1, 0, 0);
    const shares = headShares({ data, rows: 4, cols: 3 }, 2, Uint32Array.of(1));
    expect(shares[0]).toBeCloseTo(0.85 / 1.15, 6);
    expect(shares[1]).toBe(0);
    expect(() => headShares({ data, rows: 4, cols: 3 }, 3, Uint32Array.of(1))).toThrow(
      "attention: expected rows for 3 heads, got 4",
    );
  });

  test("stay by more than two fifths of the votes, the first two layers whole", () => {
    const sample = (...shares: number[]) => [0, 1, 2].map(() => Float32Array.from(shares));
    const samples = [
      sample(0.3, 0.1, 0.3),
      sample(0.3, 0.3, 0.1),
      sample(0.3, 0.1, 0.1),
      sample(0.1, 0.1, 0.3),
      sample(0.1, 0.1, 0.3),
    ];
    const heads = chooseHeads(samples, { threshold: 0.2 });
    expect(heads.map((mask) => [...mask])).toEqual([
      [1, 1, 1],
      [1, 1, 1],
      [1, 0, 1],
    ]);
    expect([...chooseHeads(samples, { threshold: 0.2, votes: 3, whole: 0 })[2]!]).toEqual([
      0, 0, 0,
    ]);
    expect(dropHeadsFrom(heads, 1).map((mask) => [...mask])).toEqual([
      [1, 1, 1],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(dropHeadsFrom(heads, 3)).toEqual(heads);
    expect(() => chooseHeads([], { threshold: 0.1 })).toThrow("samples.length: expected");
  });
});

describe("skipLayers", () => {
  test("reproduces the plans for 32 layers", () => {
    expect(skipLayers(32, { interval: 4 }).layers).toEqual([4, 8, 12, 16, 20, 24, 28]);
    const { layers } = skipLayers(32, { start: 4, interval: 2 });
    expect(layers).toEqual([6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30]);
    expect(layers).toHaveLength(13);
  });

  test("an interval above the layers skips none", () => {
    expect(skipLayers(12, { interval: 12 }).layers).toEqual([]);
    expect(skipLayers(1, { interval: 1 }).layers).toEqual([]);
    expect(() => skipLayers(12, { interval: 0 })).toThrow("interval: expected");
  });
});

describe("effortFlops", () => {
  const dims: DecoderDims = { layers: 8, width: 64, kvWidth: 32, hidden: 160 };
  const input = { text: 10, height: 6, width: 8 };
  const heads = (count: number) =>
    Array.from({ length: 8 }, () => Uint8Array.from({ length: 4 }, (_, i) => (i < count ? 1 : 0)));
  const work = (effort: ImageEffort) => effortFlops(dims, input, effort);

  test("of no effort spared are those of the decoder", () => {
    expect(work({})).toBe(decoderFlops(dims, 58));
    expect(work({ heads: heads(4), channels: Array<number>(8).fill(160), reach: 7 })).toBe(
      work({}),
    );
  });

  test("fall with every knob", () => {
    const ladders: readonly (readonly ImageEffort[])[] = [
      [7, 4, 2, 1, 0].map((reach) => ({ reach })),
      [4, 3, 1, 0].map((count) => ({ heads: heads(count) })),
      [160, 80, 0].map((count) => ({ channels: Array<number>(8).fill(count) })),
      [9, 4, 2, 1].map((interval) => ({ skips: skipLayers(8, { interval }) })),
      (["mlp", "block"] as const).map((part) => ({ skips: skipLayers(8, { interval: 2, part }) })),
      (["images", "all"] as const).map((rows) => ({ skips: skipLayers(8, { interval: 2, rows }) })),
    ];
    for (const ladder of ladders) {
      for (let i = 1; i < ladder.length; i++) {
        expect(work(ladder[i]!)).toBeLessThan(work(ladder[i - 1]!));
      }
    }
    expect(() => work({ channels: [1] })).toThrow("channels: expected 8 layers, got 1");
  });
});

describe("withdrawal", () => {
  const law = (...rows: number[][]) => {
    const data = Float32Array.from(rows.flat());
    return { data, rows: rows.length, cols: rows[0]!.length };
  };

  test("divergence is zero of the same law, and that of its definition else", () => {
    const full = law([0, Math.log(3)], [1, 1]);
    expect(meanDivergence(full, law([5, 5 + Math.log(3)], [2, 2]))).toBeCloseTo(0, 6);
    const expected = 0.25 * Math.log(0.25 / 0.5) + 0.75 * Math.log(0.75 / 0.5);
    expect(meanDivergence(full, law([0, 0], [0, 0]))).toBeCloseTo(expected / 2, 6);
    expect(meanDivergence(law([0, -Infinity]), law([0, 0]))).toBeCloseTo(Math.log(2), 6);
  });

  test("begins where all later layers are near enough", () => {
    expect(chooseWithdrawal([NaN, 0.5, 0.005, 0.2, 0.01, 0.002])).toBe(4);
    expect(chooseWithdrawal([NaN, 0.5, NaN, 0.009, NaN, 0.002])).toBe(3);
    expect(chooseWithdrawal([NaN, 0.5, 0.5], 1)).toBe(1);
    expect(chooseWithdrawal([0, 0.5])).toBeNull();
  });
});

test("alignment is the mean cosine of all pairs", () => {
  const images = { data: Float32Array.of(1, 0, 0, 2, 0, 0), rows: 3, cols: 2 };
  const text = { data: Float32Array.of(3, 3, 0, -1), rows: 2, cols: 2 };
  // Cosines: 0.7071 and 0 of the first row, 0.7071 and -1 of the second, 0 of the zero row.
  expect(imageAlignment(images, text)).toBeCloseTo((2 * Math.SQRT1_2 - 1) / 6, 6);
  expect(imageAlignment(images, images)).toBeCloseTo(2 / 9, 6);
});
