import { expectInteger } from "../expect.ts";
import { expectSize, type Tiler } from "./tile-plan.ts";
import type { CellGrid } from "./unpad.ts";

/** Options of {@link internVl}. */
export interface InternVlOptions {
  /** Side of a tile in pixels. Default 448. */
  readonly tile?: number;
  /** Tokens of a tile. Default 256. */
  readonly tokensPerTile?: number;
  /** The fewest and the most local tiles. Default 1 and 12. */
  readonly min?: number;
  readonly max?: number;
}

/**
 * InternVL: the image is stretched to the grid of tiles whose aspect ratio is closest to its own and,
 * if that has more than one tile, followed by the whole image in one tile.
 *
 * Grids are tried by area. Of two equally close ones the later wins if the image has more than half
 * its pixels. The reference takes the order within an area from a hash set; here fewer columns come
 * first.
 *
 * @throws `InferenceError` `range` for an option or a size that is not a positive integer.
 * @see OpenGVLab/V2PE, `internvl/train/dataset.py`; `docs/algorithms/image-tiles.md`
 */
export function internVl(options: InternVlOptions = {}): Tiler {
  const { tile = 448, tokensPerTile = 256, min = 1, max = 12 } = options;
  expectInteger("tile", tile, 1);
  expectInteger("tokensPerTile", tokensPerTile, 1);
  expectInteger("min", min, 1);
  expectInteger("max", max, min);
  const grids = gridsByArea(min, max);
  return (width, height) => {
    expectSize(width, height);
    const { cols, rows } = closestGrid(width, height, tile, grids);
    const tiles = cols * rows;
    return {
      width: cols * tile,
      height: rows * tile,
      cols,
      rows,
      overview: tiles > 1 ? "last" : "none",
      tokens: (tiles > 1 ? tiles + 1 : 1) * tokensPerTile,
      newlines: new Uint32Array(),
    };
  };
}

function gridsByArea(min: number, max: number): CellGrid[] {
  const grids: CellGrid[] = [];
  for (let area = min; area <= max; area++) {
    for (let cols = 1; cols <= area; cols++) {
      if (area % cols === 0) grids.push({ cols, rows: area / cols });
    }
  }
  return grids;
}

function closestGrid(width: number, height: number, tile: number, grids: CellGrid[]): CellGrid {
  let best = grids[0]!;
  let least = Infinity;
  for (const grid of grids) {
    const distance = Math.abs(width / height - grid.cols / grid.rows);
    const large = width * height > 0.5 * tile * tile * grid.cols * grid.rows;
    if (distance < least || (distance === least && large)) best = grid;
    least = Math.min(least, distance);
  }
  return best;
}
