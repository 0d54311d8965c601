import { InferenceError, type Matrix } from "@frugal/core";

import { resizeBilinear } from "../grid/resize.ts";
import { countTiles, type TilePlan } from "./tile-plan.ts";
import { type CellGrid, unpadGrid } from "./unpad.ts";

/**
 * The rows of an image that was cut as `anyRes` or `oneVision` plan it: those of the whole image, then the
 * tiles as one grid, without the padding, shrunk where the plan says so, with a newline behind every row.
 *
 * _Shapes_: `features` (tiles · cells²) × d, tile by tile, the whole image first; `newline` 1 × d; result
 * `plan.tokens` × d. _Cost_: a copy.
 *
 * @param size width and height of the image before it was resized
 * @throws {@link InferenceError} `shape` for features that are not tiles of equal squares, or another
 *   newline; `range` for a plan of a kind that has no newlines, or of another image.
 * @see `docs/algorithms/image-tiles.md`
 */
export function packTiles(
  features: Matrix,
  plan: TilePlan,
  [width, height]: readonly [width: number, height: number],
  newline: Matrix,
): Matrix {
  const { data, cols: d } = features;
  const cells = Math.sqrt(features.rows / countTiles(plan));
  if (!Number.isInteger(cells) || cells === 0) {
    const expected = `rows of ${countTiles(plan)} tiles of equal squares`;
    throw new InferenceError("shape", `features: expected ${expected}, got ${features.rows}`);
  }
  if (newline.rows !== 1 || newline.cols !== d) {
    const got = `[${newline.rows}, ${newline.cols}]`;
    throw new InferenceError("shape", `newline: expected [1, ${d}], got ${got}`);
  }
  const lines = plan.newlines.length;
  const to: CellGrid = { cols: (plan.tokens - cells * cells) / lines - 1, rows: lines };
  const from = unpadGrid(width, height, { cols: plan.cols * cells, rows: plan.rows * cells });
  const fits = to.cols <= from.cols && to.rows <= from.rows;
  if (plan.overview !== "first" || !Number.isInteger(to.cols) || to.cols < 1 || !fits) {
    const expected = `one of an image of ${width} by ${height} with newlines`;
    throw new InferenceError("range", `plan: expected ${expected}, got another`);
  }
  const whole = joinTiles(features, plan, cells, from);
  const grid =
    from.cols === to.cols && from.rows === to.rows ? whole : resizeBilinear(whole, from, to);
  const out = new Float32Array(plan.tokens * d);
  out.set(data.subarray(0, cells * cells * d));
  let at = cells * cells * d;
  for (let row = 0; row < to.rows; row++) {
    const line = to.cols * d;
    out.set(grid.data.subarray(row * line, (row + 1) * line), at);
    out.set(newline.data, at + line);
    at += line + d;
  }
  return { data: out, rows: plan.tokens, cols: d };
}

/** The tiles behind the first one side by side, of which the middle `part` is left. */
function joinTiles(
  features: Matrix,
  { cols, rows }: TilePlan,
  cells: number,
  part: CellGrid,
): Matrix {
  const { data, cols: d } = features;
  const left = Math.floor((cols * cells - part.cols) / 2);
  const top = Math.floor((rows * cells - part.rows) / 2);
  const out = new Float32Array(part.rows * part.cols * d);
  for (let y = 0; y < part.rows; y++) {
    const row = top + y;
    for (let x = 0; x < part.cols; x++) {
      const col = left + x;
      const tile = 1 + Math.floor(row / cells) * cols + Math.floor(col / cells);
      const source = (tile * cells * cells + (row % cells) * cells + (col % cells)) * d;
      out.set(data.subarray(source, source + d), (y * part.cols + x) * d);
    }
  }
  return { data: out, rows: part.rows * part.cols, cols: d };
}
