import type { LayerStage, Matrix } from "@frugal/core";

import { expectInteger } from "../expect.ts";
import { applyReduction, type Reduction } from "../select/reduction.ts";

/**
 * A stage that merges rows of images before a layer, by any method of this package that makes a
 * `Reduction` of features: there the states that enter the layer. A merged row takes the place of its
 * anchor.
 *
 * `mergeRuns` with the rows of a frame as stride is the first stage of FrameFusion, `pruneToBudget` at a
 * later layer the second.
 *
 * @throws `InferenceError` `range` for a layer below 1; `shape`, when it runs, for a reduction of another
 *   number of rows.
 * @see FrameFusion (Fu et al.), arXiv:2501.01986; `docs/algorithms/pruning-inside-the-decoder.md`
 */
export function reduceImages(layer: number, reduce: (states: Matrix) => Reduction): LayerStage {
  expectInteger("layer", layer, 1);
  return {
    layer,
    reads: null,
    decide({ states }) {
      const reduction = reduce(states);
      return { keep: reduction.keep, states: applyReduction(reduction, states) };
    },
  };
}
