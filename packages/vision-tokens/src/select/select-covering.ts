import type { Matrix } from "@frugal/core";

import { expectFinite, expectInteger } from "../expect.ts";
import { BoundHeap } from "./bound-heap.ts";
import { RowProducts } from "./row-products.ts";

/** Rows of {@link selectCovering}. */
export interface CoveringSelection {
  /** The chosen rows, ascending. */
  readonly keep: Uint32Array;
  /** The same in the order in which they were chosen, the most telling first. */
  readonly order: Uint32Array;
  /** How much each of them added to the sum. */
  readonly gains: Float64Array;
}

/**
 * FLoC: chooses rows that represent all of them. Greedily maximises the facility location, the sum over
 * all rows of the highest cosine with a chosen one, where negative cosines count as 0. The sum is at
 * least 1 - 1/e of the best possible. Ties go to the lower index.
 *
 * Index-identical to trying every row each time, without doing it: what a row adds only falls as others
 * are chosen, so a row is tried again only while what it added last is still the most.
 *
 * _Shapes_: `features` n × d. _Cost_: n² / 2 products of rows to begin with, then n for a row that is
 * tried, until it would add to no more than 1,024 rows; it remembers those, and never needs others.
 *
 * @param gram products of all pairs of rows of `unitRows(features)`, if they are at hand:
 *   `Kernels.gram`.
 * @throws `InferenceError` `shape` or `range` for buffers and numbers that do not fit.
 * @see FLoC (Cho et al.), arXiv:2511.00141; Minoux, "Accelerated greedy algorithms" (1978);
 *   `docs/algorithms/facility-location.md`
 */
export function selectCovering(features: Matrix, count: number, gram?: Matrix): CoveringSelection {
  const n = features.rows;
  expectFinite("features", features);
  expectInteger("count", count, 0, n);
  const products = new RowProducts(features, gram);
  const order = new Uint32Array(count);
  const gains = new Float64Array(count);
  if (count === 0) return { keep: new Uint32Array(), order, gains };
  const heap = new BoundHeap(n);
  const first = firstGains(products);
  // All bounds are infinite at first, so each row comes to the top once.
  for (let i = 0; i < n; i++) heap.lowerTop(first[heap.top]!);
  const coverage = new Coverage(products);
  const seen = new Uint32Array(n);
  for (let chosen = 0; chosen < count; chosen++) {
    while (seen[heap.top] !== chosen) {
      seen[heap.top] = chosen;
      heap.lowerTop(coverage.gainOf(heap.top));
    }
    gains[chosen] = heap.topBound;
    order[chosen] = heap.pop();
    coverage.add(order[chosen]!);
  }
  return { keep: order.slice().sort(), order, gains };
}

/** What each row adds alone; sums are in the order of {@link gainOf}, each product is taken once. */
function firstGains(products: RowProducts): Float64Array {
  const gains = new Float64Array(products.rows);
  for (let i = 0; i < products.rows; i++) {
    for (let j = 0; j < i; j++) {
      const product = Math.max(0, products.between(i, j));
      gains[i]! += product;
      gains[j]! += product;
    }
    gains[i]! += Math.max(0, products.between(i, i));
  }
  return gains;
}

/** A row remembers which rows it would still add to once there are at most this many. */
const mostRemembered = 1024;

/** How well each row is covered by those that were added, which only rises. */
class Coverage {
  readonly #products: RowProducts;
  readonly #covered: Float64Array;
  /** Of some rows, all that they would add to, with their cosines; perhaps some more. */
  readonly #open: ({ readonly rows: Uint32Array; readonly cosines: Float32Array } | undefined)[];
  readonly #rows: Uint32Array;
  readonly #cosines: Float32Array;

  constructor(products: RowProducts) {
    const n = products.rows;
    this.#products = products;
    this.#covered = new Float64Array(n);
    this.#open = Array.from({ length: n });
    this.#rows = new Uint32Array(n);
    this.#cosines = new Float32Array(n);
  }

  /** What a row would add. */
  gainOf(row: number): number {
    const size = this.#collect(row);
    let gain = 0;
    for (let i = 0; i < size; i++) gain += this.#cosines[i]! - this.#covered[this.#rows[i]!]!;
    if (size <= mostRemembered) {
      this.#open[row] = {
        rows: this.#rows.slice(0, size),
        cosines: this.#cosines.slice(0, size),
      };
    }
    return gain;
  }

  add(row: number): void {
    const size = this.#collect(row);
    for (let i = 0; i < size; i++) this.#covered[this.#rows[i]!] = this.#cosines[i]!;
    this.#open[row] = undefined;
  }

  /** Lists what a row would add to, ascending. @returns how many. */
  #collect(row: number): number {
    const open = this.#open[row];
    const known = open?.rows.length ?? this.#covered.length;
    let size = 0;
    for (let i = 0; i < known; i++) {
      const other = open === undefined ? i : open.rows[i]!;
      if (open === undefined && !(this.#products.atMost(row, i) > this.#covered[i]!)) continue;
      const cosine = open === undefined ? this.#products.between(row, i) : open.cosines[i]!;
      if (!(cosine > this.#covered[other]!)) continue;
      this.#rows[size] = other;
      this.#cosines[size++] = cosine;
    }
    return size;
  }
}
