import type { Matrix } from "@frugal/core";

import { expectAscending, expectFinite, expectInteger } from "../expect.ts";
import { BoundHeap } from "./bound-heap.ts";
import { RowProducts } from "./row-products.ts";

/** Options of {@link selectMaxMin}. */
export interface SelectMaxMinOptions {
  /** Rows that may be chosen, ascending. Default: all. Leave newlines out, and keep them anyway. */
  readonly candidates?: Uint32Array;
  /**
   * Products of all pairs of rows of `unitRows(features)`, if they are at hand: `Kernels.gram`. Without
   * it only the products that decide something are computed.
   */
  readonly gram?: Matrix;
}

/** Rows in the order in which they were chosen, and what choosing them took. */
export interface MaxMinSelection {
  /** The chosen rows, ascending. */
  readonly keep: Uint32Array;
  /** The same, the most telling first. */
  readonly order: Uint32Array;
  /** Products of whole rows that were computed or looked up. */
  readonly products: number;
}

/**
 * Chooses `count` rows that differ: first the one farthest from its nearest neighbour, then again and
 * again the one farthest from all that are chosen, by cosine distance; ties to the lower index.
 *
 * Index-identical to comparing everything with everything, without doing it. The first row is found
 * with early abandoning; for the others each row has an upper bound on its distance, its smallest
 * distance to the rows compared so far, and only a row at the top of a heap of bounds is compared
 * further. Distances that a bound from 32 numbers of each row shows to be too large are not computed. The smallest distance of the result is at least a quarter of the best possible.
 *
 * _Shapes_: `features` n × d. _Cost_: O(n · count · d) at worst and n² for the first row, usually a
 * small part of both; n × d numbers of scratch.
 *
 * Deviations from the reference: a row is never chosen twice, where it relies on the distance of a
 * row to itself being exactly 0; a row of zeros has distance 1 to all others, where it has NaN.
 *
 * @throws `InferenceError` `shape` for buffers of the wrong length, `range` for features that
 *   are not finite, a count outside `[0, candidates]` or candidates out of order.
 * @see DivPrune (Alvar et al.), arXiv:2503.02175; `docs/algorithms/max-min-selection.md`
 */
export function selectMaxMin(
  features: Matrix,
  count: number,
  options: SelectMaxMinOptions = {},
): MaxMinSelection {
  expectFinite("features", features);
  const { candidates = Uint32Array.from({ length: features.rows }, (_, i) => i), gram } = options;
  expectAscending("candidates", candidates, features.rows);
  expectInteger("count", count, 0, candidates.length);
  const distances = new Distances(new RowProducts(features, gram), candidates);
  const order = count === 0 ? new Uint32Array() : chooseAll(distances, candidates.length, count);
  const chosen = order.map((i) => candidates[i]!);
  return { keep: chosen.slice().sort(), order: chosen, products: distances.products };
}

/** Cosine distances between candidates, counted. */
class Distances {
  products = 0;
  readonly #rows: RowProducts;
  readonly #candidates: Uint32Array;

  constructor(rows: RowProducts, candidates: Uint32Array) {
    this.#rows = rows;
    this.#candidates = candidates;
  }

  between(i: number, j: number): number {
    this.products++;
    return 1 - this.#rows.between(this.#candidates[i]!, this.#candidates[j]!);
  }

  /** A number that {@link between} is not below, not counted. */
  atLeast(i: number, j: number): number {
    return 1 - this.#rows.atMost(this.#candidates[i]!, this.#candidates[j]!);
  }
}

function chooseAll(distances: Distances, n: number, count: number): Uint32Array {
  const order = new Uint32Array(count);
  order[0] = mostIsolated(distances, n);
  const heap = new BoundHeap(n, order[0]);
  const seen = new Uint32Array(n);
  for (let chosen = 1; chosen < count; chosen++) {
    for (;;) {
      const top = heap.top;
      if (seen[top] === chosen) break;
      const runnerUp = heap.runnerUpBound;
      let bound = heap.topBound;
      while (seen[top]! < chosen && bound >= runnerUp) {
        const other = order[seen[top]!++]!;
        if (distances.atLeast(top, other) >= bound) continue;
        bound = Math.min(bound, distances.between(top, other));
      }
      heap.lowerTop(bound);
    }
    order[chosen] = heap.pop();
  }
  return order;
}

/** The row whose nearest neighbour is farthest; a row is given up as soon as it cannot win. */
function mostIsolated(distances: Distances, n: number): number {
  let best = 0;
  let farthest = -Infinity;
  // The row that refuted the last candidate often refutes the next.
  let witness = 0;
  for (let i = 0; i < n; i++) {
    let nearest = Infinity;
    const probe = (j: number): boolean => {
      if (j < 0 || j >= n || j === i) return false;
      if (distances.atLeast(i, j) >= nearest) return false;
      const distance = distances.between(i, j);
      if (distance >= nearest) return false;
      nearest = distance;
      if (distance > farthest) return false;
      witness = j;
      return true;
    };
    // Neighbours in the sequence are neighbours in the image, and look alike.
    if (probe(i + 1) || probe(i - 1) || probe(witness) || probe(witness + 1)) continue;
    let refuted = false;
    for (let j = 0; j < n && !refuted; j++) refuted = probe(j);
    if (refuted || nearest <= farthest) continue;
    [best, farthest] = [i, nearest];
  }
  return best;
}
