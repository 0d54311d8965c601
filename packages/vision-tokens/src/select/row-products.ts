import { type Matrix, topIndices, wideDot } from "@frugal/core";

import { expectLength } from "../expect.ts";
import { RowSketch } from "./row-sketch.ts";
import { unitRows } from "./unit-rows.ts";

/**
 * Cosines of pairs of rows, computed when they are asked for, or looked up in products that were
 * computed on a device. Rounded to float32 either way, so that both choose the same rows.
 */
export class RowProducts {
  readonly rows: number;
  readonly #unit: Matrix | null;
  readonly #gram: Float32Array | null;
  /** Made when it is asked for. */
  #sketch: RowSketch | null | undefined;
  #bounds = new Float64Array();

  /**
   * @param gram products of all pairs of unit rows, if they are at hand.
   * @throws `InferenceError` `shape` for products of another number of rows.
   */
  constructor(features: Matrix, gram?: Matrix) {
    this.rows = features.rows;
    if (gram !== undefined) expectLength("gram", gram.data, this.rows ** 2);
    this.#unit = gram === undefined ? unitRows(features) : null;
    this.#gram = gram?.data ?? null;
  }

  between(i: number, j: number): number {
    if (this.#gram !== null) return this.#gram[i * this.rows + j]!;
    const { data, cols } = this.#unit!;
    return Math.fround(wideDot(data, i * cols, data, j * cols, cols));
  }

  /** A number that {@link between} is not above: the cosine, a bound for less work, or infinity. */
  atMost(i: number, j: number): number {
    if (this.#gram !== null) return this.#gram[i * this.rows + j]!;
    if (this.#sketch === undefined) this.#sketch = RowSketch.of(this.#unit!);
    return this.#sketch === null ? Infinity : this.#sketch.productAtMost(i, j);
  }

  /**
   * Which of `targets` has the highest cosine with `row`, of equal ones the first. Cosines are
   * computed only of those whose bound is not below the highest.
   *
   * @returns an index into `targets`, of which there is one.
   */
  mostSimilar(row: number, targets: ArrayLike<number>): number {
    const bounds = this.#boundsOf(row, targets);
    let first = 0;
    for (let i = 1; i < targets.length; i++) if (bounds[i]! > bounds[first]!) first = i;
    let [best, highest] = [first, this.between(row, targets[first]!)];
    for (let i = 0; i < targets.length; i++) {
      if (!(bounds[i]! >= highest) || i === first) continue;
      const cosine = this.between(row, targets[i]!);
      if (cosine > highest || (cosine === highest && i < best)) [best, highest] = [i, cosine];
    }
    return best;
  }

  /**
   * The `count` of `targets` that have the highest cosines with `row`, itself aside; ties go to the
   * first.
   *
   * @returns indices into `targets`, ascending.
   */
  nearest(row: number, targets: ArrayLike<number>, count: number): Uint32Array {
    const n = targets.length;
    const values = this.#boundsOf(row, targets);
    const own = Array.prototype.indexOf.call(targets, row);
    if (own >= 0) values[own] = Number.NaN;
    const wanted = Math.min(count, own < 0 ? n : n - 1);
    let least = Infinity;
    for (const i of topIndices(values, 0, n, wanted)) {
      least = Math.min(least, this.between(row, targets[i]!));
    }
    for (let i = 0; i < n; i++) {
      if (i !== own) values[i] = values[i]! >= least ? this.between(row, targets[i]!) : -Infinity;
    }
    return topIndices(values, 0, n, wanted);
  }

  /** Bounds of the cosines of `row` with `targets`, in scratch. */
  #boundsOf(row: number, targets: ArrayLike<number>): Float64Array {
    if (this.#bounds.length < targets.length) this.#bounds = new Float64Array(targets.length);
    for (let i = 0; i < targets.length; i++) this.#bounds[i] = this.atMost(row, targets[i]!);
    return this.#bounds;
  }
}
