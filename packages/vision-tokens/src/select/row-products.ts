import { type Matrix, wideDot } from "@frugal/core";

import { expectLength } from "../expect.ts";
import { unitRows } from "./unit-rows.ts";

/**
 * Cosines of pairs of rows, computed when they are asked for, or looked up in products that were
 * computed on a device. Rounded to float32 either way, so that both choose the same rows.
 */
export class RowProducts {
  readonly rows: number;
  readonly #unit: Matrix | null;
  readonly #gram: Float32Array | null;

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
}
