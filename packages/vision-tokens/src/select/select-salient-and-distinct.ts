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
 * _Shapes_: `attention` n, `features` n × d. _Cost_: bounds for n² / 2 pairs, products of the few that
 * pass; a round then looks at the nearest rows of each, and compares again where all of these have left. Ties go to the
 * earlier in the list. Deviation: a list of odd length works.
 *
 * @param count rows to keep.
 * @param salient the part of them that is chosen by attention, truncated to whole rows. Default 0.5.
 * @param gram products of all pairs of rows of `unitRows(features)`, if they are at hand:
 *   `Kernels.gram`.
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
  gram?: Matrix,
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
    new RowProducts(features, gram),
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
    const similarity = Float64Array.from(even, (row) => similar.highest(row, list, odd, isOdd));
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
/** How many rows before each are compared with it first. */
const near = 16;

/** The most similar rows of each of `rows`, and their cosines, both descending. */
class SimilarRows {
  readonly #products: RowProducts;
  readonly #rows: Uint32Array;
  readonly #cosines: Float64Array;

  constructor(products: RowProducts, rows: Uint32Array) {
    this.#products = products;
    this.#rows = new Uint32Array(products.rows * remembered);
    this.#cosines = new Float64Array(products.rows * remembered).fill(-Infinity);
    const sorted = rows.slice().sort();
    // Neighbours in the image are alike, and raise what others are given up by.
    for (let i = 0; i < sorted.length; i++) {
      for (let j = Math.max(0, i - near); j < i; j++) this.#compare(sorted[i]!, sorted[j]!);
    }
    for (let i = near + 1; i < sorted.length; i++) {
      for (let j = 0; j < i - near; j++) this.#compare(sorted[i]!, sorted[j]!);
    }
  }

  /** The highest cosine of `row` with one of `odd`, the rows of `list` that `isOdd` marks. */
  highest(row: number, list: Uint32Array, odd: Uint32Array, isOdd: Uint8Array): number {
    if (odd.length === 0) return -Infinity;
    const known = this.#remembered(row, isOdd);
    if (known !== null) return known;
    this.#refresh(row, list);
    return (
      this.#remembered(row, isOdd) ??
      this.#products.between(row, odd[this.#products.mostSimilar(row, odd)]!)
    );
  }

  #remembered(row: number, isOdd: Uint8Array): number | null {
    const first = row * remembered;
    for (let at = first; at < first + remembered; at++) {
      if (this.#cosines[at]! > -Infinity && isOdd[this.#rows[at]!] === 1) return this.#cosines[at]!;
    }
    return null;
  }

  /** Forgets rows that have left `list` for the most similar ones of it. */
  #refresh(row: number, list: Uint32Array): void {
    this.#cosines.fill(-Infinity, row * remembered, (row + 1) * remembered);
    for (const i of this.#products.nearest(row, list, remembered)) {
      this.#insert(row, list[i]!, this.#products.between(row, list[i]!));
    }
  }

  /** The lowest cosine that a row remembers. */
  #least(row: number): number {
    return this.#cosines[(row + 1) * remembered - 1]!;
  }

  #compare(row: number, other: number): void {
    const least = Math.min(this.#least(row), this.#least(other));
    if (this.#products.atMost(row, other) <= least) return;
    const cosine = this.#products.between(row, other);
    this.#insert(row, other, cosine);
    this.#insert(other, row, cosine);
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
