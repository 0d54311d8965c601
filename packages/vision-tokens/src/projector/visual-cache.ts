import { InferenceError, type Matrix } from "@frugal/core";

import { applyLinear, type Linear } from "../encoder/trained-layers.ts";
import { expectFinite, expectInteger } from "../expect.ts";
import { attendHead } from "./attend.ts";

/** Trained parameters of one cross-attention of CrossLMM, from pooled or from text rows. */
export interface CrossAttentionParams {
  readonly query: Linear;
  /** The branch counts this much, 0 as nothing: the tanh of the checkpoint's parameter. */
  readonly gate: number;
}

/**
 * Keys and values of all visual rows for the cross-attention of one layer of CrossLMM. They depend on
 * the picture alone: computed once, read in every step, and no part of the decoder's own cache, whose
 * length they do not count in.
 *
 * @see CrossLMM (Yan et al.), arXiv:2505.17020; `docs/algorithms/projectors.md`
 */
export class VisualCache {
  readonly #keys: Matrix;
  readonly #values: Matrix;
  readonly #heads: number;

  /**
   * @param visual all rows of all frames, before pooling.
   * @throws {@link InferenceError} `shape` or `range` for what does not fit, and for no rows at all.
   */
  constructor(visual: Matrix, key: Linear, value: Linear, heads: number = 1) {
    expectFinite("visual", visual);
    // A softmax over nothing would be no number.
    expectInteger("visual rows", visual.rows, 1);
    expectInteger("heads", heads, 1);
    this.#keys = applyLinear(visual, key, "key");
    this.#values = applyLinear(visual, value, "value");
    this.#heads = heads;
    expectInteger("width / heads", this.#keys.cols / heads, 1);
    if (this.#values.cols !== this.#keys.cols) {
      const got = `${this.#keys.cols} and ${this.#values.cols}`;
      throw new InferenceError("shape", `key and value: expected one width, got ${got}`);
    }
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#keys.data.byteLength + this.#values.data.byteLength;
  }

  /**
   * `rows + gate · softmax(q kᵀ / √width) v`, the same for pooled visual rows and for text rows, which
   * have parameters of their own. The order of the visual rows does not matter.
   *
   * _Cost_: O(rows · visual rows · width).
   *
   * @returns as many rows, new; a copy with a gate of 0.
   * @throws {@link InferenceError} `shape` or `range` for what does not fit.
   */
  attend(rows: Matrix, { query, gate }: CrossAttentionParams): Matrix {
    expectFinite("rows", rows);
    const out = rows.data.slice();
    const { cols: width, rows: count } = this.#keys;
    const queries = applyLinear(rows, query, "query");
    if (queries.cols !== width || rows.cols !== width) {
      const got = `${queries.cols} outputs for rows of ${rows.cols}`;
      throw new InferenceError(
        "shape",
        `query: expected ${width} outputs for rows of ${width}, got ${got}`,
      );
    }
    if (gate === 0) return { ...rows, data: out };
    const headWidth = width / this.#heads;
    const weights = new Float64Array(count);
    for (let at = 0; at < out.length; at += headWidth) {
      const part = { offset: at % width, stride: width };
      const [keys, values] = [this.#keys, this.#values].map(({ data }) => ({ data, ...part }));
      const own = { data: queries.data, offset: at, stride: width };
      attendHead(own, keys!, values!, count, headWidth, weights, out, at, gate);
    }
    return { ...rows, data: out };
  }
}
