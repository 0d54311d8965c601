import { InferenceError, type Matrix } from "@frugal/core";

import { applyNorm } from "../encoder/trained-layers.ts";
import { expectFinite, expectInteger, expectLength } from "../expect.ts";
import { attendHead, type HeadRows } from "./attend.ts";

/** Sizes of a {@link TemporalAttention}. */
export interface TemporalAttentionOptions {
  /** Rows of a frame. */
  readonly positions: number;
  /** Columns of queries, keys and values, all heads side by side. */
  readonly width: number;
  readonly heads: number;
  /**
   * Frames that are looked back at, the present one among them. Default: all, in a memory that grows
   * by `2 · positions · width` numbers per frame. A window changes the result.
   */
  readonly window?: number;
}

/**
 * PVC's attention over time, frame by frame: every position of a frame attends to the same position of
 * the frames up to it, so that later frames add what earlier ones lack. Because it never looks ahead,
 * one frame at a time gives what all at once give.
 *
 * Queries, keys and values are the caller's projections of {@link adaptiveNorm}; what {@link step}
 * returns goes through the layer's output projection and is added to the rows.
 *
 * _Cost_ of a frame: O(frames · positions · width).
 *
 * @see PVC (Yang et al.), arXiv:2412.09613, CVPR 2025; `docs/algorithms/projectors.md`
 */
export class TemporalAttention {
  readonly #options: TemporalAttentionOptions;
  readonly #keys: Float32Array[] = [];
  readonly #values: Float32Array[] = [];

  /** @throws {@link InferenceError} `range` for sizes that are not positive integers or do not divide. */
  constructor(options: TemporalAttentionOptions) {
    const { positions, width, heads, window = 1 } = options;
    expectInteger("positions", positions, 1);
    expectInteger("heads", heads, 1);
    expectInteger("width / heads", width / heads, 1);
    expectInteger("window", window, 1);
    this.#options = options;
  }

  /** Frames that the next one can attend to. */
  get frames(): number {
    return this.#keys.length;
  }

  /**
   * Takes a frame in and attends from it.
   *
   * @param query `[positions, width]`, as `key` and `value`; they are copied.
   * @returns `[positions, width]`, new.
   * @throws {@link InferenceError} `shape` or `range` for what does not fit or is not finite.
   */
  step(query: Matrix, key: Matrix, value: Matrix): Matrix {
    const { positions, width, heads, window = Infinity } = this.#options;
    for (const [name, x] of Object.entries({ query, key, value })) {
      expectFinite(name, x);
      if (x.rows !== positions || x.cols !== width) {
        const got = `${x.rows} x ${x.cols}`;
        throw new InferenceError("shape", `${name}: expected ${positions} x ${width}, got ${got}`);
      }
    }
    this.#keys.push(key.data.slice());
    this.#values.push(value.data.slice());
    if (this.#keys.length > window) {
      this.#keys.shift();
      this.#values.shift();
    }
    return this.#attend(query, positions, width, width / heads);
  }

  #attend(query: Matrix, positions: number, width: number, headWidth: number): Matrix {
    const frames = this.#keys.length;
    const out = new Float32Array(positions * width);
    const weights = new Float64Array(frames);
    const gathered = (): HeadRows => ({
      data: new Float32Array(frames * headWidth),
      offset: 0,
      stride: headWidth,
    });
    const [keys, values] = [gathered(), gathered()];
    for (let at = 0; at < out.length; at += headWidth) {
      for (let f = 0; f < frames; f++) {
        keys.data.set(this.#keys[f]!.subarray(at, at + headWidth), f * headWidth);
        values.data.set(this.#values[f]!.subarray(at, at + headWidth), f * headWidth);
      }
      const row = { data: query.data, offset: at, stride: headWidth };
      attendHead(row, keys, values, frames, headWidth, weights, out, at);
    }
    return { data: out, rows: positions, cols: width };
  }
}

/**
 * `LN(x) · (1 + scale) + shift`, a layer norm that a frame's timestamp sets: `scale` and `shift` are what
 * the trained module makes of {@link timestampEmbedding}.
 *
 * @throws {@link InferenceError} `shape` for vectors of another length than the columns of `x`.
 * @see PVC (Yang et al.), arXiv:2412.09613; `docs/algorithms/projectors.md`
 */
export function adaptiveNorm(
  x: Matrix,
  scale: Float32Array,
  shift: Float32Array,
  epsilon: number = 1e-6,
): Matrix {
  expectFinite("x", x);
  expectLength("scale", scale, x.cols);
  const weight = scale.map((value) => 1 + value);
  return applyNorm(x, { weight, bias: shift, epsilon }, "shift");
}

/**
 * A timestamp as `size` numbers: cosines, then sines, of frequencies from 1 down to 1/10,000. PVC's are
 * 256 of a time relative to the video's length (the paper leaves its unit open).
 *
 * @throws {@link InferenceError} `range` for a size that is not even.
 * @see PVC (Yang et al.), arXiv:2412.09613; `docs/algorithms/projectors.md`
 */
export function timestampEmbedding(time: number, size: number = 256): Float32Array {
  expectInteger("size / 2", size / 2, 1);
  const half = size / 2;
  return Float32Array.from({ length: size }, (_, i) => {
    const angle = time * 10_000 ** -((i % half) / half);
    return i < half ? Math.cos(angle) : Math.sin(angle);
  });
}
