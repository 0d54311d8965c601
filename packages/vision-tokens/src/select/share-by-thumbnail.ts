import { expectInteger, expectLength, expectNumber, expectNumbers } from "../expect.ts";

/** Options of {@link shareByThumbnail}. */
export interface ShareByThumbnailOptions {
  /** Local tiles in a row and in a column. */
  readonly cols: number;
  readonly rows: number;
  /** The part of all local tokens to keep. */
  readonly ratio: number;
  /** How far scores level out. Default 10. */
  readonly temperature?: number;
}

/**
 * GlobalCom²: what part of its tokens each local tile may keep, by how much of the attention in the
 * thumbnail falls on it. `ratio (1 + s - mean s)`, with `s` the softmax of the tiles' scores.
 *
 * The parts average to `ratio` unless one would exceed 1 and is cut off. Deviation: a ratio of 1 keeps
 * everything, where the formula takes from the tiles with low scores and cuts off what others get.
 *
 * _Shapes_: `scores` of a square thumbnail, in raster order: attention before softmax.
 *
 * @returns a part in `[0, 1]` per tile, row by row.
 * @throws `InferenceError` `shape` if the thumbnail is not square; `range` for scores that are not
 *   finite or a bad option.
 * @see GlobalCom² (Liu et al.), arXiv:2501.05179; `docs/algorithms/thumbnail-shares.md`
 */
export function shareByThumbnail(
  scores: Float32Array,
  { cols, rows, ratio, temperature = 10 }: ShareByThumbnailOptions,
): Float64Array {
  const side = Math.floor(Math.sqrt(scores.length));
  expectLength("scores", scores, side * side);
  expectNumbers("scores", scores);
  expectInteger("cols", cols, 1);
  expectInteger("rows", rows, 1);
  expectNumber("ratio", ratio, 0, 1);
  expectNumber("temperature", temperature, Number.MIN_VALUE, Number.MAX_VALUE);
  if (ratio === 1) return new Float64Array(cols * rows).fill(1);
  const sums = new Float64Array(cols * rows);
  for (const [cell, score] of scores.entries()) {
    const row = tileOf(Math.floor(cell / side), side, rows);
    sums[row * cols + tileOf(cell % side, side, cols)]! += score;
  }
  const highest = Math.max(...sums);
  const weights = sums.map((sum) => Math.exp((sum - highest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => Math.min(1, ratio * (1 + weight / total - 1 / sums.length)));
}

/** The tile in which a cell of the thumbnail lies; the last one takes what division leaves over. */
function tileOf(cell: number, side: number, tiles: number): number {
  return Math.min(Math.floor(cell / Math.max(1, Math.floor(side / tiles))), tiles - 1);
}
