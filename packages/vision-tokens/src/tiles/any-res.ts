import { InferenceError } from "@frugal/core";

import { expectInteger } from "../expect.ts";
import { bestResolution, type Resolution } from "./best-resolution.ts";
import { expectSize, type Tiler } from "./tile-plan.ts";
import { type CellGrid, unpadGrid } from "./unpad.ts";

/** Options of {@link anyRes}. */
export interface AnyResOptions {
  /** Side of a tile in pixels. Default 336. */
  readonly tile?: number;
  /** Feature cells on a side of a tile. Default 24. */
  readonly cells?: number;
  /** Grids of tiles to choose from, columns by rows, in order of preference. Default LLaVA-NeXT's. */
  readonly grids?: readonly Resolution[];
  /**
   * If the unpadded local grid has more than 1.21 times the cells of this many tiles, it is shrunk to
   * that many. Default: never.
   */
  readonly maxTiles?: number;
}

/**
 * LLaVA-NeXT: the whole image in one tile, then a fitted copy cut into tiles whose features form one
 * grid, without the padding and with a learned newline after every row.
 *
 * @throws {@link InferenceError} `range` for an option or a size that is not a positive integer.
 * @see LLaVA-NeXT, as in LaVi-Lab/AIM, `llava/mm_utils.py`; `docs/algorithms/image-tiles.md`
 */
export function anyRes(options: AnyResOptions = {}): Tiler {
  const { tile = 336, cells = 24, grids = nextGrids, maxTiles } = options;
  expectInteger("tile", tile, 1);
  expectInteger("cells", cells, 1);
  if (maxTiles !== undefined) expectInteger("maxTiles", maxTiles, 1);
  const candidates = grids.map(([cols, rows]): Resolution => {
    expectInteger("grids: columns", cols, 1);
    expectInteger("grids: rows", rows, 1);
    return [tile * cols, tile * rows];
  });
  return (width, height) => {
    expectSize(width, height);
    const best = bestResolution(width, height, candidates);
    if (best === null) throw new InferenceError("range", "grids: expected at least one, got none");
    const [cols, rows] = [best[0] / tile, best[1] / tile];
    const unpadded = unpadGrid(width, height, { cols: cols * cells, rows: rows * cells });
    const local = maxTiles === undefined ? unpadded : shrink(unpadded, maxTiles * cells * cells);
    return {
      width: best[0],
      height: best[1],
      cols,
      rows,
      overview: "first",
      tokens: cells * cells + local.rows * (local.cols + 1),
      newlines: Uint32Array.from(
        { length: local.rows },
        (_, row) => cells * cells + row * (local.cols + 1) + local.cols,
      ),
    };
  };
}

/**
 * LLaVA-OneVision: {@link anyRes} with tiles of 384 pixels in grids of up to 6 by 6, shrunk to the
 * cells of nine tiles.
 *
 * @see LLaVA-OneVision (Li et al.), arXiv:2408.03326; `docs/algorithms/image-tiles.md`
 */
export function oneVision(): Tiler {
  const sides = [1, 2, 3, 4, 5, 6];
  const grids = sides.flatMap((cols) => sides.map((rows): Resolution => [cols, rows]));
  return anyRes({ tile: 384, cells: 27, grids, maxTiles: 9 });
}

const nextGrids: readonly Resolution[] = [
  [1, 2],
  [2, 1],
  [2, 2],
  [3, 1],
  [1, 3],
];

/** Bilinear shrinking has a margin: grids of up to 1.1 times the side stay. */
function shrink({ cols, rows }: CellGrid, cells: number): CellGrid {
  const times = Math.sqrt((rows * cols) / cells);
  if (times <= 1.1) return { cols, rows };
  return {
    cols: Math.max(1, Math.trunc(cols / times)),
    rows: Math.max(1, Math.trunc(rows / times)),
  };
}
