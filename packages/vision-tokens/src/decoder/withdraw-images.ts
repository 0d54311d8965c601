import { InferenceError, logSumExp, type Matrix } from "@frugal/core";

import { expectInteger, expectLength } from "../expect.ts";
import type { PlannedStage } from "./planned-stage.ts";

/**
 * VTW: no row of an image goes on from a layer on. Reads nothing, so ranges of layers need not report
 * how they attend. {@link chooseWithdrawal} finds the layer.
 *
 * @param layer at least 1; half of the layers is usual.
 * @throws `InferenceError` `range` for a layer below 1.
 * @see Lin et al., arXiv:2405.05803; `docs/algorithms/skipping-images.md`
 */
export function withdrawImages(layer: number): PlannedStage[] {
  expectInteger("layer", layer, 1);
  return [{ layer, reads: null, count: () => 0, decide: () => ({ keep: new Uint32Array(0) }) }];
}

/**
 * How far the laws of `cut` are from those of `full`: the mean over rows of the Kullback-Leibler
 * divergence, in nats, of the laws that two matrices of logits stand for.
 *
 * @throws `InferenceError` `shape` for matrices of other sizes, `range` for no rows.
 */
export function meanDivergence(full: Matrix, cut: Matrix): number {
  const { rows, cols } = full;
  expectInteger("rows", rows, 1);
  expectLength("full", full.data, rows * cols);
  expectLength("cut", cut.data, full.data.length);
  if (cut.cols !== cols) {
    throw new InferenceError("shape", `cut: expected ${cols} columns, got ${cut.cols}`);
  }
  let sum = 0;
  for (let at = 0; at < full.data.length; at += cols) {
    const [ofFull, ofCut] = [logSumExp(full.data, at, cols), logSumExp(cut.data, at, cols)];
    for (let i = at; i < at + cols; i++) {
      const log = full.data[i]! - ofFull;
      if (log > -Infinity) sum += Math.exp(log) * (log - (cut.data[i]! - ofCut));
    }
  }
  return sum / rows;
}

/**
 * The first of the layers from which on the images can be left out, as calibration data say: the
 * {@link meanDivergence} from the whole model is at most `limit` there and in every later one.
 *
 * @param divergences by layer; NaN where it was not measured.
 * @param limit in nats; the paper's is not known to us. Default 0.01.
 * @returns null if there is none.
 * @see Lin et al., arXiv:2405.05803
 */
export function chooseWithdrawal(divergences: ArrayLike<number>, limit = 0.01): number | null {
  let chosen: number | null = null;
  for (let layer = divergences.length - 1; layer >= 1; layer--) {
    if (divergences[layer]! > limit) break;
    if (!Number.isNaN(divergences[layer]!)) chosen = layer;
  }
  return chosen;
}
