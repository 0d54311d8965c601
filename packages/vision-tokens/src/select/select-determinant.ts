import { type Matrix, wideDot } from "@frugal/core";

import { expectFinite, expectInteger, expectLength, expectNumbers } from "../expect.ts";
import { BoundHeap } from "./bound-heap.ts";
import { unitRows } from "./unit-rows.ts";

/** Rows of {@link selectDeterminant} in the order in which they were chosen. */
export interface DeterminantSelection {
  /** The chosen rows, ascending. */
  readonly keep: Uint32Array;
  /** The same, the best first. */
  readonly order: Uint32Array;
  /** By what factor each of them changed the determinant. */
  readonly gains: Float64Array;
}

/**
 * CDPruner: chooses rows that are relevant and differ. Greedily maximises the determinant of the chosen
 * part of `r_i cos(x_i, x_j) r_j`, with `r` the relevance of each row to the question.
 *
 * Stops early, with fewer than `count` rows, once no row adds more than 1e-10: what is left is a
 * combination of the chosen ones, or irrelevant. Ties go to the lower index.
 *
 * Index-identical to updating every row after each choice, without doing it: gains only fall as others
 * are chosen, so a row is updated only while its last known gain is the highest.
 *
 * _Shapes_: `features` n × d, `relevance` n. _Cost_: O(n · count · (d + count)) and n × count numbers of
 * scratch at worst, usually a small part of both; the kernel is never stored. Takes no products from a
 * device: what combinations of chosen rows leave is known to 1e-10 only with sums in float64.
 *
 * @param relevance numbers of at least 0; CDPruner scales the mean cosines with the question
 *   linearly to `[0, 1]`. All ones: diversity alone.
 * @throws `InferenceError` `shape` or `range` for buffers and numbers that do not fit.
 * @see CDPruner (Zhang et al.), arXiv:2506.10967; Chen et al., arXiv:1709.05135, for the greedy
 *   algorithm; Minoux, "Accelerated greedy algorithms" (1978), for postponed updates; `docs/algorithms/determinant-selection.md`
 */
export function selectDeterminant(
  features: Matrix,
  relevance: Float32Array,
  count: number,
): DeterminantSelection {
  expectFinite("features", features);
  expectLength("relevance", relevance, features.rows);
  expectNumbers("relevance", relevance, 0);
  expectInteger("count", count, 0, features.rows);
  // More rows than columns depend on each other.
  const most = Math.min(count, features.cols);
  const kernel = new Determinant(unitRows(features), relevance, most);
  const heap = new BoundHeap(features.rows);
  // All bounds are infinite at first, so each row comes to the top once.
  for (let i = 0; i < features.rows; i++) heap.lowerTop(kernel.gainOf(heap.top));
  const gains: number[] = [];
  while (kernel.chosen.length < most) {
    while (!kernel.isCurrent(heap.top)) {
      heap.lowerTop(kernel.update(heap.top, heap.runnerUpBound));
    }
    const gain = heap.topBound;
    if (!(gain > 1e-10)) break;
    gains.push(gain);
    kernel.choose(heap.pop());
  }
  const order = Uint32Array.from(kernel.chosen);
  return { keep: order.slice().sort(), order, gains: Float64Array.from(gains) };
}

/** By what factor each row would change the determinant of the chosen ones, as far as it is known. */
class Determinant {
  readonly chosen: number[] = [];
  readonly #unit: Matrix;
  readonly #relevance: Float32Array;
  readonly #most: number;
  /** Of each row, what earlier choices leave of it. */
  readonly #left: Float64Array;
  /** How many of the choices that takes into account. */
  readonly #seen: Uint32Array;
  /** Columns of the Cholesky factor: what each choice says about a row beyond earlier ones. */
  readonly #factors: (Float64Array | undefined)[];

  constructor(unit: Matrix, relevance: Float32Array, most: number) {
    const { data, rows, cols } = unit;
    this.#unit = unit;
    this.#relevance = relevance;
    this.#most = most;
    // The length of a rounded unit row is not exactly 1, and duplicates must leave exactly nothing.
    this.#left = Float64Array.from(relevance, (r, i) => {
      return r * r * wideDot(data, i * cols, data, i * cols, cols);
    });
    this.#seen = new Uint32Array(rows);
    this.#factors = Array.from({ length: rows });
  }

  /** At most this much, and exactly if it {@link isCurrent}. */
  gainOf(row: number): number {
    return this.#left[row]!;
  }

  isCurrent(row: number): boolean {
    return this.#seen[row] === this.chosen.length;
  }

  /** Takes more choices into account while the gain of `row` is at least `enough`. */
  update(row: number, enough: number): number {
    const own = (this.#factors[row] ??= new Float64Array(this.#most));
    const { data, cols } = this.#unit;
    while (!this.isCurrent(row) && this.#left[row]! >= enough) {
      const step = this.#seen[row]!++;
      const other = this.chosen[step]!;
      const factor = this.#factors[other]!;
      const cosine = wideDot(data, row * cols, data, other * cols, cols);
      let rest = this.#relevance[row]! * this.#relevance[other]! * cosine;
      rest -= productOf(own, factor, step);
      const said = rest / factor[step]!;
      own[step] = said;
      this.#left[row]! -= said * said;
    }
    return this.#left[row]!;
  }

  /** Unchecked: the gain of `row` is current and positive. */
  choose(row: number): void {
    const own = (this.#factors[row] ??= new Float64Array(this.#most));
    own[this.chosen.length] = Math.sqrt(this.#left[row]!);
    this.chosen.push(row);
  }
}

/** Of the first `n` numbers, in sums that do not wait for each other. */
function productOf(a: Float64Array, b: Float64Array, n: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < n; i += 4) {
    s0 += a[i]! * b[i]!;
    s1 += a[i + 1]! * b[i + 1]!;
    s2 += a[i + 2]! * b[i + 2]!;
    s3 += a[i + 3]! * b[i + 3]!;
  }
  for (; i < n; i++) s0 += a[i]! * b[i]!;
  return s0 + s1 + (s2 + s3);
}
