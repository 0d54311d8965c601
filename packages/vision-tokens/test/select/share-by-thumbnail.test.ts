import fc from "fast-check";
import { expect, test } from "vitest";

import { shareByThumbnail } from "../../src/index.ts";

const thumbnail = Float32Array.of(1, 1, 2, 2, 1, 1, 2, 2, 0, 0, 5, 5, 0, 0, 5, 5);

test("gives the specified shares", () => {
  const shares = shareByThumbnail(thumbnail, { cols: 2, rows: 2, ratio: 0.25 });
  const rounded = [...shares].map((share) => Number(share.toFixed(6)));
  expect(rounded).toEqual([0.218306, 0.233458, 0.20815, 0.340085]);
  expect([...shares].map((share) => Math.trunc(36 * share))).toEqual([7, 8, 7, 12]);
});

test("spends the budget, and spreads it evenly where nothing stands out", () => {
  const size = fc.integer({ min: 1, max: 4 });
  fc.assert(
    fc.property(size, size, fc.float({ min: 0, max: 0.5, noNaN: true }), (cols, rows, ratio) => {
      const shares = shareByThumbnail(thumbnail, { cols, rows, ratio });
      const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
      expect(mean).toBeCloseTo(ratio, 9);
      const least = ratio * (1 - 1 / shares.length);
      expect(Math.min(...shares)).toBeGreaterThanOrEqual(least - 1e-12);
    }),
  );
  expect([...shareByThumbnail(new Float32Array(16), { cols: 2, rows: 1, ratio: 0.3 })]).toEqual([
    0.3, 0.3,
  ]);
});

test("follows its tiles, and keeps everything if everything may stay", () => {
  const options = { cols: 2, rows: 2, ratio: 0.4 };
  const shares = shareByThumbnail(thumbnail, options);
  // Left and right halves swapped.
  const mirrored = thumbnail.map((_, cell) => thumbnail[cell ^ 2]!);
  const swapped = [1, 0, 3, 2].map((tile) => shares[tile]!);
  expect([...shareByThumbnail(mirrored, options)]).toEqual(swapped);
  expect([...shareByThumbnail(thumbnail, { ...options, ratio: 1 })]).toEqual([1, 1, 1, 1]);
});

test("refuses thumbnails that are not square", () => {
  const options = { cols: 1, rows: 1, ratio: 0.5 };
  expect(() => shareByThumbnail(new Float32Array(15), options)).toThrow(
    "scores: expected 9 entries",
  );
});
