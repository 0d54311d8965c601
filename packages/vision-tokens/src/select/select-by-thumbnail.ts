import { InferenceError, topIndices } from "@frugal/core";

import { expectInteger, expectLength, expectNumbers } from "../expect.ts";
import { resizeBilinear } from "../grid/resize.ts";
import { type CellGrid, unpadGrid } from "../tiles/unpad.ts";
import { shareByThumbnail, type ShareByThumbnailOptions } from "./share-by-thumbnail.ts";

/** Options of {@link selectByThumbnail}. */
export interface SelectByThumbnailOptions extends ShareByThumbnailOptions {
  /** Pixels of the image, by which the padding of its tiles is known. */
  readonly width: number;
  readonly height: number;
}

/**
 * GlobalCom²: chooses among the tokens of a thumbnail and of the local tiles that it commands. The
 * thumbnail keeps its highest scores. Each tile keeps the part of its cells that
 * {@link shareByThumbnail} gives it, those with the highest sum of two scores, its own and the
 * thumbnail's enlarged to all tiles, each over its length in the tile. Cells of the padding take no part;
 * newlines stay. Ties go to the lower index.
 *
 * _Shapes_: `thumbnail` and each of `tiles`, row by row, are the scores of a square of the same side:
 * attention of the class token before softmax. _Cost_: O(cells · log).
 *
 * Deviation: the rows of the thumbnail come out ascending, where the reference leaves them by score.
 *
 * @returns the chosen rows of `anyRes`'s sequence, ascending: thumbnail, then the unpadded grid with a
 *   newline after every row.
 * @throws {@link InferenceError} `shape` if tiles are not as many or as large as they should be; `range`
 *   for scores that are not finite or a bad option.
 * @see GlobalCom² (Liu et al.), arXiv:2501.05179; `docs/algorithms/thumbnail-shares.md`
 */
export function selectByThumbnail(
  thumbnail: Float32Array,
  tiles: readonly Float32Array[],
  options: SelectByThumbnailOptions,
): Uint32Array {
  const { cols, rows, ratio, width, height } = options;
  expectInteger("width", width, 1);
  expectInteger("height", height, 1);
  const shares = shareByThumbnail(thumbnail, options);
  const side = Math.sqrt(thumbnail.length);
  if (tiles.length !== cols * rows) {
    throw new InferenceError("shape", `tiles: expected ${cols * rows}, got ${tiles.length}`);
  }
  for (const scores of tiles) {
    expectLength("tile", scores, thumbnail.length);
    expectNumbers("tile", scores);
  }
  const keep = [...topIndices(thumbnail, 0, thumbnail.length, Math.trunc(side * side * ratio))];
  const padded = { cols: cols * side, rows: rows * side };
  const used = unpadGrid(width, height, padded);
  const global = resizeBilinear(
    { data: thumbnail, rows: side * side, cols: 1 },
    { rows: side, cols: side },
    used,
  );
  const top = (padded.rows - used.rows) / 2;
  const left = (padded.cols - used.cols) / 2;
  for (const [tile, scores] of tiles.entries()) {
    const cells = cellsOf(tile, cols, side, { top, left }, used);
    const own = overLength(cells.inTile.map((cell) => scores[cell]!));
    const commanded = overLength(cells.inImage.map((cell) => global.data[cell]!));
    const sums = Float64Array.from(own, (score, i) => score + commanded[i]!);
    const count = Math.trunc(cells.inTile.length * shares[tile]!);
    for (const i of topIndices(sums, 0, sums.length, count)) {
      const cell = cells.inImage[i]!;
      keep.push(thumbnail.length + cell + Math.floor(cell / used.cols));
    }
  }
  for (let row = 1; row <= used.rows; row++) {
    keep.push(thumbnail.length + row * (used.cols + 1) - 1);
  }
  return Uint32Array.from(keep).sort();
}

/** The cells of a tile that are no padding: where they are in it, and in the unpadded image. */
function cellsOf(
  tile: number,
  cols: number,
  side: number,
  { top, left }: { top: number; left: number },
  used: CellGrid,
): { inTile: number[]; inImage: number[] } {
  const inTile: number[] = [];
  const inImage: number[] = [];
  for (let cell = 0; cell < side * side; cell++) {
    const row = Math.floor(tile / cols) * side + Math.floor(cell / side) - top;
    const col = (tile % cols) * side + (cell % side) - left;
    if (row < 0 || row >= used.rows || col < 0 || col >= used.cols) continue;
    inTile.push(cell);
    inImage.push(row * used.cols + col);
  }
  return { inTile, inImage };
}

function overLength(scores: readonly number[]): number[] {
  const length = Math.sqrt(scores.reduce((sum, score) => sum + score * score, 0)) || 1;
  return scores.map((score) => score / length);
}
