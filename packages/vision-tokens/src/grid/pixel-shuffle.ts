import { InferenceError, type Matrix } from "@frugal/core";

import { expectInteger } from "../expect.ts";
import type { CellGrid } from "../tiles/unpad.ts";

/**
 * Space to depth, called pixel shuffle in vision-language models: every `side` by `side` cells become
 * one row, which holds theirs one after the other, row by row. This is the order of Idefics3, InternVL
 * and LEOPARD.
 *
 * _Shapes_: `features` (rows · cols of `grid`) × d to (rows · cols / side²) × (side² · d). _Cost_: one
 * copy.
 *
 * @throws {@link InferenceError} `range` for a side that does not divide those of the grid; `shape` if
 *   features and grid differ in cells.
 * @see `docs/algorithms/grid-operators.md`
 */
export function pixelShuffle(features: Matrix, grid: CellGrid, side: number): Matrix {
  expectInteger("side", side, 1);
  expectInteger("rows / side", grid.rows / side, 1);
  expectInteger("cols / side", grid.cols / side, 1);
  const { data, cols: d } = features;
  if (features.rows !== grid.rows * grid.cols) {
    throw new InferenceError(
      "shape",
      `features: expected ${grid.rows} x ${grid.cols} rows, got ${features.rows}`,
    );
  }
  const out = new Float32Array(data.length);
  const run = side * d;
  let at = 0;
  for (let row = 0; row < grid.rows; row += side) {
    for (let col = 0; col < grid.cols; col += side) {
      for (let inner = 0; inner < side; inner++, at += run) {
        const source = ((row + inner) * grid.cols + col) * d;
        out.set(data.subarray(source, source + run), at);
      }
    }
  }
  return { data: out, rows: features.rows / side ** 2, cols: side ** 2 * d };
}
