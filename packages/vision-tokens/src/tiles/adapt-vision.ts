import { expectInteger } from "../expect.ts";
import { expectSize, type Tiler } from "./tile-plan.ts";

/** Options of {@link adaptVision}. */
export interface AdaptVisionOptions {
  /** Side of a tile in pixels. Default 336. */
  readonly tile?: number;
  /** The most tiles on a side. Default 3. */
  readonly max?: number;
  /** Tokens of the whole image. Default 576. */
  readonly tokensOfOverview?: number;
  /** Tokens of a local tile. Default 144. */
  readonly tokensPerTile?: number;
}

/**
 * AdaptVision: as many tiles as the image is large. The longer side becomes the next multiple of a
 * tile, `max` at most, the shorter one follows and is rounded up; the whole image comes first.
 *
 * One pixel can matter: 336 by 336 is one tile, 337 by 336 is four.
 *
 * The model has a second encoder for local tiles, whose 576 rows are read as 144 of four times the width:
 * four neighbours of one line, not a square of them.
 *
 * @throws `InferenceError` `range` for an option or a size that is not a positive integer.
 * @see harrytea/AdaptVision, `llava/mm_utils.py`; `docs/algorithms/image-tiles.md`
 */
export function adaptVision(options: AdaptVisionOptions = {}): Tiler {
  const { tile = 336, max = 3, tokensOfOverview = 576, tokensPerTile = 144 } = options;
  for (const [name, value] of Object.entries({ tile, max, tokensOfOverview, tokensPerTile })) {
    expectInteger(name, value, 1);
  }
  return (width, height) => {
    expectSize(width, height);
    const edge = Math.max(width, height);
    const long = Math.min(Math.ceil(edge / tile), max);
    const resized = Math.max(1, Math.trunc((Math.min(width, height) * long * tile) / edge));
    const short = Math.ceil(resized / tile);
    const [cols, rows] = width >= height ? [long, short] : [short, long];
    return {
      width: cols * tile,
      height: rows * tile,
      cols,
      rows,
      overview: "first",
      tokens: tokensOfOverview + cols * rows * tokensPerTile,
      newlines: new Uint32Array(),
    };
  };
}
