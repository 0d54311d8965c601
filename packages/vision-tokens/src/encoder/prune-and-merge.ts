import { InferenceError, type Matrix, topIndices, wideDot } from "@frugal/core";

import { expectFinite, expectInteger, expectLength, expectNumbers } from "../expect.ts";
import type { BipartiteMerge } from "../select/merge-bipartite.ts";
import { createReduction, type WeightedSum } from "../select/reduction.ts";
import { unitRows } from "../select/unit-rows.ts";

/** How many rows {@link pruneAndMerge} leaves, the class token's included. */
export interface PruneAndMergeCounts {
  /** After pruning. More than there are: all. */
  readonly pruned: number;
  /** After merging. More than are left: all of them. */
  readonly merged: number;
}

/**
 * A step of DiffRate inside a vision encoder, between a block's attention and its MLP: leaves out the
 * rows of the least importance; of the rest, the least important ones join the row that they resemble
 * most. A row and all that joined it become their plain mean. Row 0, the class token's, stays as it is.
 * Ties go to the lower index.
 *
 * A row that joins adds its size times the cosine to the size of the row it joins, or nothing where that
 * is negative.
 *
 * _Cost_: one product of rows for each that joins and each that stays.
 *
 * Deviations: rows keep the order of the image, where the reference sorts them by importance in every
 * layer; a negative cosine takes nothing away from a size, which could turn attention to NaN there.
 *
 * @param x hidden states after attention, whose rows are also what is compared.
 * @param importance of each row but the first: the attention of the class token, averaged over heads.
 * @param sizes how many rows each one counts as. Default: 1 each.
 * @throws `InferenceError` `shape` or `range` for buffers and numbers that do not fit.
 * @see DiffRate (Chen et al.), arXiv:2305.17997; `docs/algorithms/merging-in-the-encoder.md`
 */
export function pruneAndMerge(
  x: Matrix,
  importance: Float32Array,
  { pruned, merged }: PruneAndMergeCounts,
  sizes: Float32Array = new Float32Array(x.rows).fill(1),
): BipartiteMerge {
  if (x.rows === 0) throw new InferenceError("shape", "x: expected a class token, got 0 rows");
  expectFinite("x", x);
  expectLength("importance", importance, x.rows - 1);
  expectNumbers("importance", importance);
  expectLength("sizes", sizes, x.rows);
  expectNumbers("sizes", sizes, Number.MIN_VALUE);
  expectInteger("pruned", pruned, 2);
  expectInteger("merged", merged, 2);
  const last = x.rows - 1;
  const staying = topIndices(importance, 0, last, Math.min(pruned, merged) - 1);
  const passing = topIndices(importance, 0, last, pruned - 1);
  const kept = Uint32Array.from([0, ...staying.map((patch) => patch + 1)]);
  const isKept = new Set(kept);
  const members = new Map([...kept].map((row) => [row, [row]]));
  const grown = new Map([...kept].map((row) => [row, sizes[row]!]));
  const { data, cols } = unitRows(x);
  for (const patch of passing) {
    const row = patch + 1;
    if (isKept.has(row)) continue;
    const [into, similarity] = nearest(data, cols, row, kept);
    members.get(into)!.push(row);
    grown.set(into, grown.get(into)! + sizes[row]! * Math.max(0, similarity));
  }
  const sums = [...members].map(([anchor, rows]): WeightedSum => {
    return { anchor, terms: rows.map((row) => [row, 1 / rows.length]) };
  });
  return { reduction: createReduction(x.rows, sums), sizes: Float32Array.from(grown.values()) };
}

/** The kept row, other than the class token's, with the highest cosine. */
function nearest(
  unit: Float32Array,
  cols: number,
  row: number,
  kept: Uint32Array,
): [into: number, similarity: number] {
  let into = kept[1]!;
  let similarity = -Infinity;
  for (let i = 1; i < kept.length; i++) {
    const cosine = Math.fround(wideDot(unit, row * cols, unit, kept[i]! * cols, cols));
    if (cosine > similarity) [into, similarity] = [kept[i]!, cosine];
  }
  return [into, similarity];
}
