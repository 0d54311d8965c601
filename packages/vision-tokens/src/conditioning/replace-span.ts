import { InferenceError, type Matrix } from "@frugal/core";

import { expectAscending, expectFinite, expectInteger, expectLength } from "../expect.ts";

/**
 * An item of a prompt as it is without the rest: its rows are replaced by those it has when it is
 * encoded alone, into which nothing of other items can have leaked.
 *
 * Encoders with absolute positions (CLIP) should encode the item at the same place, behind padding.
 *
 * @param encoded the prompt's rows.
 * @param alone the rows of the item's own encoding.
 * @param pairs rows of `encoded`, each with the row of `alone` that takes its place; begin after the
 *   item's first special token.
 * @returns as many rows, new; the others as they were.
 * @throws {@link InferenceError} `shape` for encodings of different widths, `range` for rows outside or
 *   replaced twice.
 * @see Follow the Flow (Kaplan et al.), arXiv:2504.01137; `docs/algorithms/prompt-edits.md`
 */
export function replaceSpan(
  encoded: Matrix,
  alone: Matrix,
  pairs: readonly (readonly [row: number, own: number])[],
): Matrix {
  expectFinite("encoded", encoded);
  expectFinite("alone", alone);
  const { cols } = encoded;
  if (alone.cols !== cols) {
    throw new InferenceError("shape", `alone: expected ${cols} columns, got ${alone.cols}`);
  }
  const data = encoded.data.slice();
  const seen = new Set<number>();
  for (const [row, own] of pairs) {
    expectInteger("pairs: row", row, 0, encoded.rows - 1);
    expectInteger("pairs: own row", own, 0, alone.rows - 1);
    if (seen.has(row))
      throw new InferenceError("range", `pairs: expected row ${row} once, got two`);
    seen.add(row);
    data.set(alone.data.subarray(own * cols, (own + 1) * cols), row * cols);
  }
  return { ...encoded, data };
}

/**
 * An item of a prompt reduced to the one or two rows that carry its meaning: its other rows become
 * padding. Which rows those are differs by encoder; the last ones of an item see all of it in a causal
 * one.
 *
 * @param rows the item's rows that become padding, ascending.
 * @param padding the row that the encoder gives for padding.
 * @returns as many rows, new.
 * @throws {@link InferenceError} `range` for rows out of order or outside, `shape` for another width.
 * @see Follow the Flow (Kaplan et al.), arXiv:2504.01137; `docs/algorithms/prompt-edits.md`
 */
export function padRows(encoded: Matrix, rows: Uint32Array, padding: Float32Array): Matrix {
  expectFinite("encoded", encoded);
  expectAscending("rows", rows, encoded.rows);
  expectLength("padding", padding, encoded.cols);
  const data = encoded.data.slice();
  for (const row of rows) data.set(padding, row * encoded.cols);
  return { ...encoded, data };
}
