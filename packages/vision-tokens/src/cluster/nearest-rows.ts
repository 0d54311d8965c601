import type { Matrix } from "@frugal/core";

import type { RowSketch } from "../select/row-sketch.ts";
import { squaredDistance } from "./squared-distance.ts";

/** The nearest rows of every row, itself first, in two flat arrays of `k` entries per row. */
export interface NearestRows {
  readonly k: number;
  readonly rows: Uint32Array;
  /** Squared Euclidean distances, ascending. */
  readonly squares: Float64Array;
}

/** Offsets that are compared first: neighbours in the image are near, and tighten the limits. */
const near = 16;

/**
 * Finds the `k` nearest rows of every row; a row is among its own. Exact; of equally distant ones it is
 * left open which are listed.
 *
 * _Cost_: n² / 2 distances, each given up once it is too large for both rows; n · k numbers.
 *
 * @param sketch of the rows, if there is one: then most distances are given up by their bounds.
 *
 * Unchecked: `1 <= k <= rows`.
 */
export function findNearestRows(
  { data, rows: n, cols }: Matrix,
  k: number,
  sketch: RowSketch | null,
): NearestRows {
  const squares = new Float64Array(n * k).fill(Infinity);
  const rows = new Uint32Array(n * k);
  for (let i = 0; i < n; i++) {
    squares[i * k] = 0;
    rows[i * k] = i;
  }
  const insert = (row: number, other: number, square: number): void => {
    const first = row * k;
    let at = first + k - 1;
    if (at === first || !(square < squares[at]!)) return;
    for (; at > first + 1 && squares[at - 1]! > square; at--) {
      squares[at] = squares[at - 1]!;
      rows[at] = rows[at - 1]!;
    }
    squares[at] = square;
    rows[at] = other;
  };
  const compare = (i: number, j: number): void => {
    const limit = Math.max(squares[i * k + k - 1]!, squares[j * k + k - 1]!);
    if (sketch !== null && sketch.squareAtLeast(i, j) > limit) return;
    const square = squaredDistance(data, i * cols, j * cols, cols, limit);
    insert(i, j, square);
    insert(j, i, square);
  };
  for (let offset = 1; offset <= near; offset++) {
    for (let i = 0; i + offset < n; i++) compare(i, i + offset);
  }
  for (let i = 0; i < n; i++) {
    for (let j = i + near + 1; j < n; j++) compare(i, j);
  }
  return { k, rows, squares };
}
