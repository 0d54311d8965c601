import { expect, test } from "vitest";

import { attentiveBlocks } from "../../src/index.ts";
import { normalRows } from "../select/fixtures.ts";

const grid = { rows: 14, cols: 14 };

test("keeps whole blocks, as many as the reference", () => {
  const attention = normalRows(1, 196, 1).data;
  for (const ratio of [0, 0.25, 0.5, 0.75, 1]) {
    const patches = attentiveBlocks(attention, grid, ratio);
    expect(patches.length).toBe(4 * Math.min(49, Math.floor(49 * ratio) + 1));
    const isKept = new Set(patches);
    for (const patch of patches) {
      const corner = (Math.floor(patch / 14) & ~1) * 14 + ((patch % 14) & ~1);
      for (const at of [0, 1, 14, 15]) expect(isKept.has(corner + at)).toBe(true);
    }
    expect([...patches]).toEqual([...patches].sort((a, b) => a - b));
  }
  expect(attentiveBlocks(attention, grid, 0.5).length).toBe(100);
});

test("takes the blocks of the highest means, the first of equal ones", () => {
  const attention = Float32Array.of(0, 0, 1, 0, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0);
  const four = { rows: 4, cols: 4 };
  expect([...attentiveBlocks(attention, four, 0)]).toEqual([8, 9, 12, 13]);
  expect([...attentiveBlocks(attention, four, 0.25)]).toEqual([2, 3, 6, 7, 8, 9, 12, 13]);
  expect([...attentiveBlocks(new Float32Array(16), four, 0.25)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test("refuses odd grids and other lengths", () => {
  const attention = new Float32Array(12);
  expect(() => attentiveBlocks(attention, { rows: 3, cols: 4 }, 0.5)).toThrow("even sides");
  expect(() => attentiveBlocks(attention, { rows: 2, cols: 4 }, 0.5)).toThrow("attention");
  expect(() => attentiveBlocks(attention, { rows: 2, cols: 6 }, 2)).toThrow("ratio");
});
