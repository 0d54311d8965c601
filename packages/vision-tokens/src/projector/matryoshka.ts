import { InferenceError } from "@frugal/core";

import { expectInteger } from "../expect.ts";
import { averagePool } from "../grid/average-pool.ts";
import type { Reduction } from "../select/reduction.ts";
import type { CellGrid } from "../tiles/unpad.ts";

/**
 * The numbers of tokens that nested pooling can make of a grid, the most first: 576, 144, 64, 36, 16, 9,
 * 4 and 1 of 24 by 24. M3 was trained on five of these: 576, 144, 36, 9 and 1.
 *
 * @throws {@link InferenceError} `range` for a grid without cells.
 * @see M3 (Cai et al.), arXiv:2405.17430
 */
export function matryoshkaLevels({ rows, cols }: CellGrid): number[] {
  expectInteger("rows", rows, 1);
  expectInteger("cols", cols, 1);
  const shorter = Math.min(rows, cols);
  const sides = Array.from({ length: shorter }, (_, i) => i + 1);
  return sides
    .filter((side) => rows % side === 0 && cols % side === 0)
    .map((side) => (rows * cols) / side ** 2);
}

/**
 * M3's nested pooling: the mean of every square of cells, as large as leaves `tokens` of them. Pooling
 * twice is pooling once to the smaller number. Tiles of a larger image are pooled one by one, before
 * newlines are put between their rows.
 *
 * For models that were trained with it; others lose much. Deviation from the reference: a number that
 * is no level is refused, where it silently makes more tokens of it.
 *
 * _Cost_: one pass over the features.
 *
 * @throws {@link InferenceError} `range` for a number of tokens that is not among
 *   {@link matryoshkaLevels}, naming those.
 * @see M3 (Cai et al.), arXiv:2405.17430; mu-cai/matryoshka-mm, `matryoshka_vis_token_process`;
 *   `docs/algorithms/projectors.md`
 */
export function matryoshkaPool(grid: CellGrid, tokens: number): Reduction {
  const levels = matryoshkaLevels(grid);
  if (!levels.includes(tokens)) {
    const message = `tokens: expected one of ${levels.join(", ")}, got ${tokens}`;
    throw new InferenceError("range", message);
  }
  const side = Math.sqrt((grid.rows * grid.cols) / tokens);
  return averagePool(grid, { rows: grid.rows / side, cols: grid.cols / side });
}
