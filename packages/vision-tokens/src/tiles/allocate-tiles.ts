import { expectInteger } from "../expect.ts";
import { roundHalfEven } from "../round-half-even.ts";
import { shareOut } from "../share-out.ts";
import { bestResolution, type Resolution } from "./best-resolution.ts";
import { expectSize, type TilePlan } from "./tile-plan.ts";

/** Options of {@link allocateTiles}. */
export interface AllocateTilesOptions {
  /** Side of a tile in pixels. Default 364. */
  readonly tile?: number;
  /** Tiles of all images together, the one of each whole image included. Default 50. */
  readonly budget?: number;
  /** Tokens of a tile. Default 169. */
  readonly tokensPerTile?: number;
  /** Whether what truncation leaves over goes to the largest remainders. Default false. */
  readonly spendAll?: boolean;
}

/**
 * LEOPARD: many images share one budget of tiles. Each wishes for the tiles that it covers at its own
 * size; when the wishes exceed what the budget leaves beside one overview per image, all shrink by
 * the same factor. A share becomes the grid of tiles that shows most of the image.
 *
 * With more images than the budget has tiles each keeps its overview and nothing else; the reference
 * then gives every image one tile more.
 *
 * _Cost_: per image, O(budget · log budget) grids to choose from.
 *
 * @returns a plan per image; 0 by 0 local tiles where the overview suffices.
 * @throws `InferenceError` `range` for an option or a size that is not a positive integer.
 * @see LEOPARD (Jia et al.), arXiv:2410.01744; `docs/algorithms/image-tiles.md`
 */
export function allocateTiles(
  sizes: readonly Resolution[],
  options: AllocateTilesOptions = {},
): TilePlan[] {
  const { tile = 364, budget = 50, tokensPerTile = 169, spendAll = false } = options;
  for (const [name, value] of Object.entries({ tile, budget, tokensPerTile })) {
    expectInteger(name, value, 1);
  }
  for (const [width, height] of sizes) expectSize(width, height);
  const wishes = sizes.map(([width, height]) => {
    const tiles = roundHalfEven(width / tile) * roundHalfEven(height / tile);
    return tiles === 1 ? 0 : tiles;
  });
  const shares = sharesOf(wishes, Math.max(0, budget - sizes.length), spendAll);
  return sizes.map(([width, height], i) => {
    const best = bestResolution(width, height, gridsOf(shares[i]!, tile));
    const [w, h] = best ?? [tile, tile];
    const [cols, rows] = best === null ? [0, 0] : [w / tile, h / tile];
    return {
      width: w,
      height: h,
      cols,
      rows,
      overview: "first",
      tokens: (1 + cols * rows) * tokensPerTile,
      newlines: new Uint32Array(),
    };
  });
}

function sharesOf(wishes: readonly number[], budget: number, spendAll: boolean): readonly number[] {
  const total = wishes.reduce((sum, wish) => sum + wish, 0);
  if (total <= budget) return wishes;
  if (spendAll) return shareOut(budget, wishes);
  return wishes.map((wish) => Math.floor((wish * budget) / total));
}

/** All grids of 2 to `most` tiles, those with few rows first. */
function* gridsOf(most: number, tile: number): Generator<Resolution> {
  for (let rows = 1; rows <= most; rows++) {
    for (let cols = 1; rows * cols <= most; cols++) {
      if (rows * cols > 1) yield [cols * tile, rows * tile];
    }
  }
}
