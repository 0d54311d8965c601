import { type Matrix, topIndices } from "@frugal/core";

import {
  expectFinite,
  expectInteger,
  expectLength,
  expectNumber,
  expectNumbers,
} from "../expect.ts";
import { RowProducts } from "./row-products.ts";

/** How many rows leave in a round. */
const perRound = 8;

/**
 * VisPruner: keeps the rows that the class token attends to most, and of the others those that are
 * unlike each other. The others are listed by their attention. Until enough are gone, eight at a time:
 * every second of the list, from the first, is compared with all between them, the most similar eight
 * leave, and the list becomes those that stay, the least similar last, and then those between.
 *
 * _Shapes_: `attention` n, `features` n × d. _Cost_: a quarter of the square of the list per round;
 * products are computed once up to 4,096 rows. Ties go to the earlier in the list. Deviation: a list of
 * odd length works.
 *
 * @param count rows to keep.
 * @param salient the part of them that is chosen by attention, truncated to whole rows. Default 0.5.
 * @returns the chosen rows, ascending.
 * @throws `InferenceError` `shape` if attention and features differ in rows; `range` for numbers that
 *   are not finite, a count outside `[0, n]` or a part outside `[0, 1]`.
 * @see VisPruner (Zhang et al.), arXiv:2412.01818; ModelTC/LightCompress (Apache-2.0),
 *   `llmc/compression/token_reduction/vispruner.py`; `docs/algorithms/salient-and-distinct.md`
 */
export function selectSalientAndDistinct(
  attention: Float32Array,
  features: Matrix,
  count: number,
  salient: number = 0.5,
): Uint32Array {
  const n = features.rows;
  expectFinite("features", features);
  expectLength("attention", attention, n);
  expectNumbers("attention", attention);
  expectInteger("count", count, 0, n);
  expectNumber("salient", salient, 0, 1);
  const ranked = Uint32Array.from(attention.keys()).sort(
    (a, b) => attention[b]! - attention[a]! || a - b,
  );
  const important = Math.trunc(count * salient);
  const distinct = distinctRows(
    new RowProducts(features, undefined, true),
    ranked.subarray(important),
    count - important,
  );
  return Uint32Array.from([...ranked.subarray(0, important), ...distinct]).sort();
}

function distinctRows(products: RowProducts, rows: Uint32Array, count: number): Uint32Array {
  if (count === 0) return new Uint32Array();
  let list = rows;
  while (list.length > count) {
    const even = list.filter((_, i) => i % 2 === 0);
    const odd = list.filter((_, i) => i % 2 === 1);
    const similarity = Float64Array.from(even, (row) => {
      let highest = -Infinity;
      for (const other of odd) highest = Math.max(highest, products.between(row, other));
      return highest;
    });
    const leaving = Math.min(perRound, list.length - count, even.length);
    const gone = new Set(topIndices(similarity, 0, even.length, leaving));
    const staying = Uint32Array.from(even.keys())
      .filter((i) => !gone.has(i))
      .sort((a, b) => similarity[b]! - similarity[a]! || a - b);
    list = Uint32Array.from([...staying.map((i) => even[i]!), ...odd]);
  }
  return list;
}
