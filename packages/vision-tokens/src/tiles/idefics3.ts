import { expectInteger } from "../expect.ts";
import { expectSize, type Tiler } from "./tile-plan.ts";

/** Options of {@link idefics3}. */
export interface Idefics3Options {
  /** Side of a tile in pixels. Default 512. */
  readonly tile?: number;
  /** Pixels that the longer side is resized to. Default four tiles; one tile turns splitting off. */
  readonly longestEdge?: number;
  /** Tokens of a tile. Default 64; 81 in SmolVLM 2.2B. */
  readonly tokensPerTile?: number;
}

/**
 * Idefics3 and SmolVLM: the longer side becomes `longestEdge`, both sides are rounded up to whole
 * tiles, and the whole image follows in one tile. Small images are enlarged, so that 512 by 512
 * pixels make 17 tiles by default, and one with `longestEdge: 512`.
 *
 * @throws `InferenceError` `range` for an option or a size that is not a positive integer.
 * @see Idefics3 (Laurençon et al.), arXiv:2408.12637; `docs/algorithms/image-tiles.md`
 */
export function idefics3(options: Idefics3Options = {}): Tiler {
  const { tile = 512, longestEdge = 4 * tile, tokensPerTile = 64 } = options;
  expectInteger("tile", tile, 1);
  expectInteger("longestEdge", longestEdge, 1);
  expectInteger("tokensPerTile", tokensPerTile, 1);
  return (width, height) => {
    expectSize(width, height);
    const long = Math.ceil(longestEdge / tile);
    const short = shorterSide(width, height, longestEdge, tile);
    const [cols, rows] = width >= height ? [long, short] : [short, long];
    const split = cols * rows > 1;
    return {
      width: cols * tile,
      height: rows * tile,
      cols,
      rows,
      overview: split ? "last" : "none",
      tokens: (split ? cols * rows + 1 : 1) * tokensPerTile,
      newlines: new Uint32Array(),
    };
  };
}

/** Tiles on the shorter side: resized with the longer one to an even number, then rounded up. */
function shorterSide(width: number, height: number, longestEdge: number, tile: number): number {
  const ratio = Math.max(width, height) / Math.min(width, height);
  const cut = Math.max(1, Math.trunc(longestEdge / ratio));
  const resizedRatio = longestEdge / (cut + (cut % 2));
  const whole = Math.ceil(longestEdge / tile) * tile;
  return Math.max(1, Math.ceil(Math.trunc(whole / resizedRatio) / tile));
}
