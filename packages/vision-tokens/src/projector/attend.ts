import { softmax, wideDot } from "@frugal/core";

/** Rows of keys or values of one head: row `i` begins at `offset + i * stride`. */
export interface HeadRows {
  readonly data: Float32Array;
  readonly offset: number;
  readonly stride: number;
}

/**
 * Attention of one query of one head over `count` rows, scaled by `1 / √width`, added to `out` from
 * `outOffset`, times `factor`. `weights` is scratch of at least `count`. Unchecked.
 */
export function attendHead(
  query: HeadRows,
  keys: HeadRows,
  values: HeadRows,
  count: number,
  width: number,
  weights: Float64Array,
  out: Float32Array,
  outOffset: number,
  factor: number = 1,
): void {
  const shares = weights.subarray(0, count);
  const scale = 1 / Math.sqrt(width);
  for (let i = 0; i < count; i++) {
    const from = keys.offset + i * keys.stride;
    shares[i] = scale * wideDot(query.data, query.offset, keys.data, from, width);
  }
  softmax(shares, shares);
  for (let c = 0; c < width; c++) {
    let sum = 0;
    for (let i = 0; i < count; i++)
      sum += shares[i]! * values.data[values.offset + i * values.stride + c]!;
    out[outOffset + c]! += factor * sum;
  }
}
