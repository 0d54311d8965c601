import { InferenceError, type Matrix } from "@frugal/core";

/** For each token the tokens that can stand for it, nearest first. */
export interface NearestCodes {
  /** How many neighbours each token has. */
  readonly count: number;
  /** `[vocabSize, count]`, row-major. */
  readonly ids: Uint32Array;
}

/**
 * The `count` nearest other rows of every row of a codebook, by Euclidean distance, ties to the
 * lower id.
 *
 * Shapes: `codebook` `[V, d]`. Cost: O(V² d) time once, O(V) memory beside the result; distances are
 * summed in float64.
 *
 * @throws {@link InferenceError} `range` unless `count` is an integer in `[0, V)`.
 */
export function nearestCodes(codebook: Matrix, count: number): NearestCodes {
  const { data, rows, cols } = codebook;
  if (!Number.isInteger(count) || count < 0 || count >= Math.max(1, rows)) {
    throw new InferenceError("range", `count: expected an integer in [0, ${rows}), got ${count}`);
  }
  const ids = new Uint32Array(rows * count);
  const distances = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    for (let other = 0; other < rows; other++) {
      let sum = 0;
      for (let c = 0; c < cols; c++) {
        const difference = data[row * cols + c]! - data[other * cols + c]!;
        sum += difference * difference;
      }
      distances[other] = sum;
    }
    const order = Uint32Array.from(distances.keys()).filter((other) => other !== row);
    order.sort((a, b) => distances[a]! - distances[b]! || a - b);
    ids.set(order.subarray(0, count), row * count);
  }
  return { count, ids };
}
