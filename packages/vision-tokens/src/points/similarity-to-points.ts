import type { Matrix } from "@frugal/core";

import { expectFinite, expectInteger, expectLength, expectNumber } from "../expect.ts";
import { resizeBilinear } from "../grid/resize.ts";
import type { CellGrid } from "../tiles/unpad.ts";

/** Options of {@link similarityToPoints}. */
export interface SimilarityToPointsOptions {
  /** Pixels of the picture, which was padded to a square before it was cut into cells. */
  readonly width: number;
  readonly height: number;
  /** Where the padding is: on both sides, or at the end. Default `"both"`. */
  readonly padding?: "both" | "end";
  /** Cells on a side that are mixed into one first: 2 (default, the 7B model's) or 1 (the 13B's). */
  readonly shrink?: number;
  /** From this similarity on a cell is a positive point; default 0.8. */
  readonly high?: number;
  /** Up to this one it is a negative point; default 0.2. */
  readonly low?: number;
  /** The most points; default 30. */
  readonly limit?: number;
}

/** Prompts for a segmentation model such as SAM. */
export interface PointPrompts {
  /** `[points, 2]`: x and y in pixels of the picture. */
  readonly points: Uint32Array;
  /** 1 for what is meant, 0 for what is not. */
  readonly labels: Uint8Array;
  /** Their cells in the grid after it was shrunk. */
  readonly cells: Uint32Array;
}

/**
 * READ's points: where the answer's `<SEG>` token resembles the image's tokens most and least. Positive
 * points come first, the most similar in front; then negative ones, the least similar in front; ties in
 * the order of the cells. Similarities count relative to their range; where all are equal there is no
 * point. None lies in the padding.
 *
 * Deviation from the reference: cells between the two bounds make no points, where it appends them with
 * a label of their own when there is room.
 *
 * _Cost_: O(cells · log cells).
 *
 * @param similarity of every cell of a square grid: products of last hidden states.
 * @throws `InferenceError` `shape` for another number of cells, `range` for options or similarities
 *   that make no sense.
 * @see READ (Qian et al.), arXiv:2412.17741; rui-qian/READ, `model/READ.py`;
 *   `docs/algorithms/similarity-points.md`
 */
export function similarityToPoints(
  similarity: Float32Array,
  options: SimilarityToPointsOptions,
): PointPrompts {
  const {
    width,
    height,
    padding = "both",
    shrink = 2,
    high = 0.8,
    low = 0.2,
    limit = 30,
  } = options;
  expectInteger("width", width, 1);
  expectInteger("height", height, 1);
  expectInteger("shrink", shrink, 1, 2);
  expectNumber("high", high, 0, 1);
  expectNumber("low", low, 0, high);
  expectInteger("limit", limit, 0);
  const side = Math.floor(Math.sqrt(similarity.length));
  expectLength("similarity", similarity, side * side);
  expectFinite("similarity", { data: similarity, rows: similarity.length, cols: 1 });

  const small = Math.floor(side / shrink);
  const scores = toRange(shrinkGrid(toRange(similarity), side, small));
  const place = placesIn({ width, height, padding, side: small });
  const cells = Array.from(scores.keys()).filter((cell) => place(cell) !== null);
  const positive = cells.filter((cell) => scores[cell]! >= high);
  const negative = cells.filter((cell) => scores[cell]! <= low && scores[cell]! < high);
  positive.sort((a, b) => scores[b]! - scores[a]! || a - b);
  negative.sort((a, b) => scores[a]! - scores[b]! || a - b);
  // Where nothing stands out nothing is meant.
  const chosen = isFlat(scores) ? [] : [...positive, ...negative].slice(0, limit);
  return {
    points: Uint32Array.from(chosen.flatMap((cell) => place(cell)!)),
    labels: Uint8Array.from(chosen, (_, i) => (i < positive.length ? 1 : 0)),
    cells: Uint32Array.from(chosen),
  };
}

/**
 * READ's refinement of a point: the mean place of all cells, weighted by the softmax of their
 * similarities and by `exp(-distance²)` to the point, in units of cells. What training differentiates;
 * at inference a place between cells.
 *
 * @param cell the point's, in a grid of `cols` columns.
 * @returns column and row, 0 being the middle of the first.
 * @throws `InferenceError` `range` for a cell outside the grid, or similarities that are not finite.
 * @see READ (Qian et al.), arXiv:2412.17741; `docs/algorithms/similarity-points.md`
 */
export function refinePoint(
  similarity: Float32Array,
  { rows, cols }: CellGrid,
  cell: number,
): readonly [x: number, y: number] {
  expectLength("similarity", similarity, rows * cols);
  expectFinite("similarity", { data: similarity, rows: similarity.length, cols: 1 });
  expectInteger("cell", cell, 0, similarity.length - 1);
  const [x0, y0] = [cell % cols, Math.floor(cell / cols)];
  const largest = similarity.reduce((most, value) => Math.max(most, value), -Infinity);
  let [total, x, y] = [0, 0, 0];
  for (const [i, value] of similarity.entries()) {
    const [col, row] = [i % cols, Math.floor(i / cols)];
    const weight = Math.exp(value - largest - (col - x0) ** 2 - (row - y0) ** 2);
    total += weight;
    x += weight * col;
    y += weight * row;
  }
  return [x / total, y / total];
}

/** Values moved and scaled to `[0, 1]`; all 0 where they are equal. */
function toRange(values: Float32Array): Float32Array {
  const least = values.reduce((a, b) => Math.min(a, b), Infinity);
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return values.map((value) => (most > least ? (value - least) / (most - least) : 0));
}

function isFlat(scores: Float32Array): boolean {
  return scores.every((score) => score === scores[0]);
}

function shrinkGrid(values: Float32Array, side: number, small: number): Float32Array {
  if (small === side) return values;
  const features: Matrix = { data: values, rows: side * side, cols: 1 };
  const grid = (n: number): CellGrid => ({ rows: n, cols: n });
  return resizeBilinear(features, grid(side), grid(small)).data;
}

/** The pixel in the middle of a cell, or null where that is padding. */
function placesIn(square: {
  readonly width: number;
  readonly height: number;
  readonly padding: "both" | "end";
  readonly side: number;
}): (cell: number) => readonly [number, number] | null {
  const { width, height, padding, side } = square;
  const longer = Math.max(width, height);
  const before = (length: number): number =>
    padding === "both" ? Math.floor((longer - length) / 2) : 0;
  const [left, top] = [before(width), before(height)];
  return (cell) => {
    const x = Math.trunc((((cell % side) + 0.5) * longer) / side - left);
    const y = Math.trunc(((Math.floor(cell / side) + 0.5) * longer) / side - top);
    return x >= 0 && x < width && y >= 0 && y < height ? [x, y] : null;
  };
}
