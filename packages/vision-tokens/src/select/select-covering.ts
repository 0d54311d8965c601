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
 * _Shapes_: `features` n × d. _Cost_: n² / 2 products of rows to begin with, then n per row that is
 * tried; products are remembered up to 4,096 rows, and never stored as a whole above.
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
  const products = new RowProducts(features, gram, true);
  const order = new Uint32Array(count);
  const gains = new Float64Array(count);
  if (count === 0) return { keep: new Uint32Array(), order, gains };
  const heap = new BoundHeap(n);
  const first = firstGains(products);
  // All bounds are infinite at first, so each row comes to the top once.
  for (let i = 0; i < n; i++) heap.lowerTop(first[heap.top]!);
  const covered = new Float64Array(n);
  const seen = new Uint32Array(n);
  for (let chosen = 0; chosen < count; chosen++) {
    while (seen[heap.top] !== chosen) {
      const row = heap.top;
      seen[row] = chosen;
      heap.lowerTop(gainOf(products, row, covered));
    }
    gains[chosen] = heap.topBound;
    const row = heap.pop();
    order[chosen] = row;
    for (let i = 0; i < n; i++) covered[i] = Math.max(covered[i]!, products.between(row, i));
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

function gainOf(products: RowProducts, row: number, covered: Float64Array): number {
  let gain = 0;
  for (let i = 0; i < covered.length; i++) {
    const more = products.between(row, i) - covered[i]!;
    if (more > 0) gain += more;
  }
  return gain;
}
