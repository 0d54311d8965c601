import { InferenceError, type Matrix, topIndices } from "@frugal/core";

/** The part of a head's attention that falls on `rows`, in `[0, 1]`; weights need not sum to 1. */
export function recoveredMass(weights: ArrayLike<number>, rows: ArrayLike<number>): number {
  let all = 0;
  for (let i = 0; i < weights.length; i++) all += weights[i]!;
  let kept = 0;
  for (let i = 0; i < rows.length; i++) kept += weights[rows[i]!]!;
  return all === 0 ? 0 : kept / all;
}

/**
 * How well the rows that each layer would choose serve the layers after it: the mean, over those
 * layers and their heads, of the attention that falls on them. `[layers - 1]`; finds the layers of
 * `tidalDecode`.
 *
 * _Shapes_: `weights`, per layer `[kvHeads, length]`: attention to every cached row, summed over the
 * query heads that share a KV head, of one query or averaged over several.
 *
 * @throws {@link InferenceError} `range` for fewer than two layers; `shape` if they disagree.
 * @see TidalDecode (Yang et al.), arXiv:2410.05076, the choice of the re-selection layer
 */
export function recoveredByLayer(weights: readonly Matrix[], budget: number): Float64Array {
  const [first] = weights;
  if (first === undefined || weights.length < 2) {
    throw new InferenceError("range", `weights: expected at least 2 layers, got ${weights.length}`);
  }
  for (const [layer, { rows, cols }] of weights.entries()) {
    if (rows === first.rows && cols === first.cols) continue;
    throw new InferenceError(
      "shape",
      `weights[${layer}]: expected [${first.rows}, ${first.cols}], got [${rows}, ${cols}]`,
    );
  }
  return Float64Array.from({ length: weights.length - 1 }, (_, layer) => {
    let sum = 0;
    for (let head = 0; head < first.rows; head++) {
      const chosen = topIndices(weights[layer]!.data, head * first.cols, first.cols, budget);
      for (const { data } of weights.slice(layer + 1)) {
        sum += recoveredMass(data.subarray(head * first.cols, (head + 1) * first.cols), chosen);
      }
    }
    return sum / (first.rows * (weights.length - 1 - layer));
  });
}
