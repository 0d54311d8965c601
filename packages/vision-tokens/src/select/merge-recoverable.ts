import { type Matrix, topIndices, wideDot } from "@frugal/core";

import { localOutlierCount } from "../cluster/local-outlier-factors.ts";
import {
  expectFinite,
  expectInteger,
  expectLength,
  expectNumber,
  expectNumbers,
} from "../expect.ts";
import { createReduction, type Reduction, type WeightedSum } from "./reduction.ts";
import { unitRows } from "./unit-rows.ts";

/** Options of {@link mergeRecoverable}. */
export interface MergeRecoverableOptions {
  /** How many of the rest are added to each centre. Default 32. */
  readonly neighbors?: number;
  /** How much the relevance of a row counts beside its cosine with a centre. Default 50. */
  readonly textWeight?: number;
}

/**
 * Recoverable Compression: image and question decide how many rows stay. Rows that the class token
 * attends to stay, as many as there are outliers among its attentions; of the others those that the
 * question asks for, by the outliers among their relevances. Outliers among the attentions of the rest
 * are centres: each takes up the most similar and relevant rows of the rest, weighted by their
 * attention. One row more, in the place of the last of the rest that is no centre, is the sum of all
 * that are none.
 *
 * Deviations: rows come out in the order of the image. As many rows are recovered as there are outliers,
 * so that a single one is; the reference scales and truncates that number. The number of centres is counted among the rows
 * of the rest, and their own keys are compared; the reference counts with the width of the features,
 * and compares the keys of other rows. It has no row more where there are no centres; here there is one
 * if nothing else would be left of the image.
 *
 * _Shapes_: `attention` n, `relevance` n, `keys` n × d. _Cost_: O(n log n + centres · n · d). Weights of
 * a row sum to anything.
 *
 * @param attention of the class token to every patch, at least 0.
 * @param relevance of every patch to the question: its cosine with the text, over the root of the width.
 * @throws `InferenceError` `shape` if the three differ in rows; `range` for numbers that are not finite
 *   or a bad option.
 * @see Recoverable Compression (Chen et al.), arXiv:2409.01179; `docs/algorithms/dominant-tokens.md`
 */
export function mergeRecoverable(
  attention: Float32Array,
  relevance: Float32Array,
  keys: Matrix,
  { neighbors = 32, textWeight = 50 }: MergeRecoverableOptions = {},
): Reduction {
  const n = keys.rows;
  expectFinite("keys", keys);
  expectLength("attention", attention, n);
  expectNumbers("attention", attention, 0);
  expectLength("relevance", relevance, n);
  expectNumbers("relevance", relevance);
  expectInteger("neighbors", neighbors, 0);
  expectNumber("textWeight", textWeight, 0, Number.MAX_VALUE);
  const kept = keptRows(attention, relevance);
  const rest = Uint32Array.from(attention.keys()).filter((row) => !kept.has(row));
  const own = rest.map((_, i) => i);
  const salience = Float64Array.from(rest, (row) => attention[row]!);
  const centers = topIndices(salience, 0, rest.length, localOutlierCount(salience, 10));
  const unit = unitRows(keys);
  const sums: WeightedSum[] = Array.from(kept, (row) => ({ anchor: row, terms: [[row, 1]] }));
  const weighted = (places: Uint32Array): [number, number][] =>
    Array.from(places, (place) => [rest[place]!, salience[place]!]);
  for (const center of centers) {
    const scores = Float64Array.from(rest, (row, place) => {
      if (place === center) return Number.NaN;
      const { data, cols } = unit;
      const cosine = wideDot(data, rest[center]! * cols, data, row * cols, cols);
      return cosine + textWeight * relevance[row]!;
    });
    const members = topIndices(scores, 0, rest.length, Math.min(neighbors, rest.length - 1));
    sums.push({ anchor: rest[center]!, terms: [[rest[center]!, 1], ...weighted(members)] });
  }
  const isCenter = new Set(centers);
  const others = own.filter((place) => !isCenter.has(place));
  if (others.length > 0 && (centers.length > 0 || kept.size === 0)) {
    sums.push({ anchor: rest[others.at(-1)!]!, terms: weighted(others) });
  }
  return createReduction(n, sums);
}

/** The most attended rows, and the most relevant of the others. */
function keptRows(attention: Float32Array, relevance: Float32Array): Set<number> {
  const n = attention.length;
  const kept = new Set(topIndices(attention, 0, n, localOutlierCount(attention, 20)));
  if (kept.size === n) return kept;
  const least = relevance.reduce((low, value) => Math.min(low, value), Infinity);
  const masked = relevance.map((value, row) => (kept.has(row) ? least : value));
  const open = masked.map((value, row) => (kept.has(row) ? Number.NaN : value));
  const count = Math.min(localOutlierCount(masked, 20), n - kept.size);
  for (const row of topIndices(open, 0, n, count)) kept.add(row);
  return kept;
}
