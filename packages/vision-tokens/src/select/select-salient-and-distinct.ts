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
 * _Shapes_: `attention` n, `features` n × d. _Cost_: n² / 2 products of rows; a round then looks at the
 * nearest rows of each, and computes products again only where all of these have left. Ties go to the
 * earlier in the list. Deviation: a list of odd length works.
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
    new RowProducts(features),
    ranked.subarray(important),
    count - important,
  );
  return Uint32Array.from([...ranked.subarray(0, important), ...distinct]).sort();
}

function distinctRows(products: RowProducts, rows: Uint32Array, count: number): Uint32Array {
  if (count === 0 || count === rows.length) return rows.subarray(0, count);
  const similar = new SimilarRows(products, rows);
  const isOdd = new Uint8Array(products.rows);
  let list = rows;
  while (list.length > count) {
    const even = list.filter((_, i) => i % 2 === 0);
    const odd = list.filter((_, i) => i % 2 === 1);
    for (const row of even) isOdd[row] = 0;
    for (const row of odd) isOdd[row] = 1;
    const similarity = Float64Array.from(even, (row) => similar.highest(row, odd, isOdd));
    const leaving = Math.min(perRound, list.length - count, even.length);
    const gone = new Set(topIndices(similarity, 0, even.length, leaving));
    const staying = Uint32Array.from(even.keys())
      .filter((i) => !gone.has(i))
      .sort((a, b) => similarity[b]! - similarity[a]! || a - b);
    list = Uint32Array.from([...staying.map((i) => even[i]!), ...odd]);
  }
  return list;
}

/** How many of the most similar rows each row remembers. */
const remembered = 16;

/** The most similar rows of each of `rows`, and their cosines, both descending. */
class SimilarRows {
  readonly #products: RowProducts;
  readonly #rows: Uint32Array;
  readonly #cosines: Float64Array;

  constructor(products: RowProducts, rows: Uint32Array) {
    this.#products = products;
    this.#rows = new Uint32Array(products.rows * remembered);
    this.#cosines = new Float64Array(products.rows * remembered).fill(-Infinity);
    for (let i = 1; i < rows.length; i++) {
      for (let j = 0; j < i; j++) {
        const cosine = products.between(rows[i]!, rows[j]!);
        this.#insert(rows[i]!, rows[j]!, cosine);
        this.#insert(rows[j]!, rows[i]!, cosine);
      }
    }
  }

  /** The highest cosine of `row` with one of `odd`, the rows that `isOdd` marks. */
  highest(row: number, odd: Uint32Array, isOdd: Uint8Array): number {
    const first = row * remembered;
    for (let at = first; at < first + remembered; at++) {
      if (this.#cosines[at]! > -Infinity && isOdd[this.#rows[at]!] === 1) return this.#cosines[at]!;
    }
    let highest = -Infinity;
    for (const other of odd) highest = Math.max(highest, this.#products.between(row, other));
    return highest;
  }

  #insert(row: number, other: number, cosine: number): void {
    const first = row * remembered;
    let at = first + remembered - 1;
    if (cosine <= this.#cosines[at]!) return;
    for (; at > first && this.#cosines[at - 1]! < cosine; at--) {
      this.#cosines[at] = this.#cosines[at - 1]!;
      this.#rows[at] = this.#rows[at - 1]!;
    }
    this.#cosines[at] = cosine;
    this.#rows[at] = other;
  }
}
