import type { Matrix } from "@frugal/core";

import { DisjointSets } from "../cluster/disjoint-sets.ts";
import { expectFinite, expectInteger, expectNumber } from "../expect.ts";
import { roundHalfEven } from "../round-half-even.ts";

/**
 * ShowUI: joins neighbouring cells of a screenshot that look the same, right and below, into regions.
 *
 * _Shapes_: `pixels` (rows · cols) × values, the normalised pixels under each token, in raster order.
 * _Cost_: two distances per cell, each given up as soon as it is too large.
 *
 * @param cols cells in a row of the grid.
 * @param threshold two cells are the same if their Euclidean distance is below it. The default is the
 *   reference's 1, which compares every still image as two equal frames.
 * @returns the region of each cell, numbered by first appearance.
 * @throws `InferenceError` `range` for pixels that are not finite, rows that are not whole, or a
 *   negative threshold.
 * @see ShowUI (Lin et al.), arXiv:2411.17465; `docs/algorithms/screenshot-regions.md`
 */
export function labelRegions(
  pixels: Matrix,
  cols: number,
  threshold: number = Math.SQRT1_2,
): Uint32Array {
  expectFinite("pixels", pixels);
  expectInteger("cols", cols, 1);
  expectInteger("rows of cells", pixels.rows / cols, 0);
  expectNumber("threshold", threshold, 0, Infinity);
  const sets = new DisjointSets(pixels.rows);
  const compare = (a: number, b: number): void => {
    if (isNear(pixels, a, b, threshold ** 2)) sets.join(a, b);
  };
  for (let cell = 0; cell < pixels.rows; cell++) {
    if ((cell + 1) % cols !== 0) compare(cell, cell + 1);
    if (cell + cols < pixels.rows) compare(cell, cell + cols);
  }
  return sets.labels();
}

/**
 * Leaves out a part of each region, evenly spread; a region always keeps a cell, one of a single cell
 * is kept.
 *
 * @param skip the part to leave out; the number of cells is rounded, halves to even.
 * @returns the cells that stay, ascending.
 * @throws `InferenceError` `range` for a part outside `[0, 1]`.
 */
export function selectFromRegions(labels: Uint32Array, skip: number = 0.5): Uint32Array {
  expectNumber("skip", skip, 0, 1);
  const regions = new Map<number, number[]>();
  for (const [cell, label] of labels.entries()) {
    const members = regions.get(label);
    if (members === undefined) regions.set(label, [cell]);
    else members.push(cell);
  }
  const kept = [...regions.values()].flatMap((members) => spread(members, skip));
  return Uint32Array.from(kept).sort();
}

function spread(members: readonly number[], skip: number): number[] {
  const size = members.length;
  const count = Math.max(1, size - roundHalfEven(size * skip));
  // In integers: a float step can fall just below a whole index.
  const at = (i: number) => (count === 1 ? 0 : Math.floor((i * (size - 1)) / (count - 1)));
  return Array.from({ length: count }, (_, i) => members[at(i)]!);
}

function isNear({ data, cols }: Matrix, a: number, b: number, limit: number): boolean {
  let square = 0;
  for (let i = 0; i < cols && square < limit; i++) {
    square += (data[a * cols + i]! - data[b * cols + i]!) ** 2;
  }
  return square < limit;
}
