import { expect, test } from "vitest";

import { fractionPositions, patchMask } from "../../src/vision/fraction-positions.ts";
import { rotatePatches } from "../../src/vision/patch-rotation.ts";
import { cutWindows } from "../../src/vision/patch-windows.ts";
import oracle from "./patch-positions.json" with { type: "json" };

test.for(oracle.cases)(
  "patches of $case lie where transformers sees them",
  ({ case: sizes, positions }) => {
    const [side, rows, cols, usedRows, usedCols] = sizes as [
      number,
      number,
      number,
      number,
      number,
    ];
    const mask = Uint8Array.from({ length: rows * cols }, (_, patch) =>
      Math.floor(patch / cols) < usedRows && patch % cols < usedCols ? 1 : 0,
    );
    expect([...fractionPositions(mask, [rows, cols], [side, side])]).toEqual(positions);
  },
);

test("a patch counts with one pixel that is no padding, and a rest of the image does not", () => {
  // 5 x 7 pixels in patches of 2 x 3: one pixel inside the second patch, one in the rest.
  const mask = new Uint8Array(35);
  mask[1 * 7 + 3] = 1;
  mask[4 * 7 + 6] = 1;
  expect([...patchMask(mask, [5, 7], [2, 3])]).toEqual([0, 1, 0, 0]);
});

test("patches turn square by square, by row and then by column", () => {
  const { cos, sin } = rotatePatches([1, 2, 4], 2, 8, 100);
  const places = [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
    [0, 2],
    [0, 3],
    [1, 2],
    [1, 3],
  ];
  const angles = places.flatMap(([row, col]) => [row!, row! / 10, col!, col! / 10]);
  for (const [i, angle] of angles.entries()) {
    expect(cos[i]).toBeCloseTo(Math.cos(angle), 6);
    expect(sin[i]).toBeCloseTo(Math.sin(angle), 6);
  }
  expect([cos.length, sin.length]).toEqual([32, 32]);
});

test.for([
  [2, 6, 10, 4],
  [2, 4, 4, 8],
  [1, 5, 7, 3],
  [2, 8, 8, 4],
] as const)("windows of merge %i, %i x %i patches, side %i", ([merge, height, width, side]) => {
  const { rows, slots, bias } = cutWindows([1, height, width], merge, side);
  const size = side * side;
  const squares = new Map<string, number>();
  const across = width / merge;
  for (const [patch, slot] of slots.entries()) {
    expect(rows[slot]).toBe(patch);
    const [square, cell] = [Math.floor(patch / merge ** 2), patch % merge ** 2];
    const row = Math.floor(square / across) * merge + Math.floor(cell / merge);
    const col = (square % across) * merge + (cell % merge);
    const key = `${Math.floor(row / side)},${Math.floor(col / side)}`;
    const window = Math.floor(slot / size);
    expect(squares.get(key) ?? window).toBe(window);
    squares.set(key, window);
  }
  expect(new Set(slots).size).toBe(height * width);
  expect(new Set(squares.values()).size).toBe(squares.size);
  expect(rows.length).toBe(squares.size * size);
  const taken = new Set(slots);
  for (const [at, value] of bias.entries()) {
    const window = Math.floor(at / size ** 2);
    expect(value === 0).toBe(taken.has(window * size + (at % size)));
  }
});
