import { type Matrix, wideDot } from "@frugal/core";

import { expectLength } from "../expect.ts";
import { unitRows } from "./unit-rows.ts";

/** Products are remembered up to this many rows: 64 MB of them. */
const mostRemembered = 4096;

/**
 * Cosines of pairs of rows, computed when they are asked for, or looked up in products that were
 * computed on a device. Rounded to float32 either way, so that both choose the same rows.
 */
export class RowProducts {
  readonly rows: number;
  readonly #unit: Matrix | null;
  readonly #known: Float32Array | null;

  /**
   * @param gram products of all pairs of unit rows, if they are at hand.
   * @param remember whether pairs are asked for again and again.
   * @throws `InferenceError` `shape` for products of another number of rows.
   */
  constructor(features: Matrix, gram?: Matrix, remember: boolean = false) {
    const { rows } = features;
    if (gram !== undefined) expectLength("gram", gram.data, rows ** 2);
    this.rows = rows;
    this.#unit = gram === undefined ? unitRows(features) : null;
    const table = remember && rows <= mostRemembered;
    this.#known = gram?.data ?? (table ? new Float32Array(rows ** 2).fill(Number.NaN) : null);
  }

  between(i: number, j: number): number {
    const at = i * this.rows + j;
    const known = this.#known === null ? Number.NaN : this.#known[at]!;
    if (this.#unit === null || known === known) return known;
    const { data, cols } = this.#unit;
    const product = Math.fround(wideDot(data, i * cols, data, j * cols, cols));
    if (this.#known !== null) this.#known[at] = this.#known[j * this.rows + i] = product;
    return product;
  }
}
