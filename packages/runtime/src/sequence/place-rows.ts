import { type Block, InferenceError } from "@frugal/core";

/** Where the rows of a block stand. */
export interface RowPositions {
  /** `[s]`; of a triple its largest number. */
  readonly highs: Int32Array;
  /** `[s]`, the smallest numbers; null where no row stands at a triple of unequal numbers. */
  readonly lows: Int32Array | null;
  /** `[3, s]`, frames, rows and columns; null as `lows`. */
  readonly triples: Int32Array | null;
}

/**
 * The rotary position of every row of a checked block: what the block says, or one more than that of
 * the row's parent.
 *
 * @param positionOf position of a cached row, by its distance from the end: -1 is the last one
 * @throws {@link InferenceError} `range` for a position outside `[0, maxLength)`
 */
export function placeRows(
  { positions, parents }: Block,
  rows: number,
  positionOf: (row: number) => number,
  maxLength: number,
): RowPositions {
  if (positions !== undefined && positions.length !== rows) {
    return readTriples(positions, rows, maxLength);
  }
  const highs = new Int32Array(rows);
  for (let i = 0; i < rows; i++) {
    const parent = parents === undefined ? i - 1 : parents[i]!;
    const before = parent < 0 ? positionOf(parent) : highs[parent]!;
    highs[i] = checked(positions === undefined ? before + 1 : positions[i]!, i, maxLength);
  }
  return { highs, lows: null, triples: null };
}

function readTriples(triples: Int32Array, rows: number, maxLength: number): RowPositions {
  for (const [i, position] of triples.entries()) checked(position, i, maxLength);
  const highs = triples.slice(0, rows);
  const lows = highs.slice();
  for (let i = rows; i < 3 * rows; i++) {
    highs[i % rows] = Math.max(highs[i % rows]!, triples[i]!);
    lows[i % rows] = Math.min(lows[i % rows]!, triples[i]!);
  }
  const areEqual = lows.every((low, i) => low === highs[i]);
  return areEqual ? { highs, lows: null, triples: null } : { highs, lows, triples };
}

function checked(position: number, i: number, maxLength: number): number {
  if (position >= 0 && position < maxLength) return position;
  throw new InferenceError(
    "range",
    `positions[${i}]: expected a position in [0, ${maxLength}), got ${position}; ` +
      "a cache policy bounds the length",
  );
}

/** Rows `[from, to)`. */
export function slicePlaces(
  { highs, lows, triples }: RowPositions,
  from: number,
  to: number,
): RowPositions {
  const part = { highs: highs.subarray(from, to), lows: lows && lows.subarray(from, to) };
  if (triples === null) return { ...part, triples };
  const rows = highs.length;
  const columns = new Int32Array(3 * (to - from));
  for (let axis = 0; axis < 3; axis++) {
    columns.set(triples.subarray(axis * rows + from, axis * rows + to), axis * (to - from));
  }
  return { ...part, triples: columns };
}
