import { topIndices } from "@frugal/core";

import { expectInteger, expectNumbers } from "../expect.ts";

/**
 * Chooses the `count` rows with the highest scores: FasterVLM, if the scores are the attention of the
 * class token to each patch, averaged over heads. Ties go to the lower index.
 *
 * @returns the chosen rows, ascending.
 * @throws `InferenceError` `range` for scores that are not finite or a count outside `[0, scores]`.
 * @see FasterVLM (Zhang et al.), arXiv:2412.01818; `docs/algorithms/dominant-tokens.md`
 */
export function selectByAttention(scores: Float32Array, count: number): Uint32Array {
  expectNumbers("scores", scores);
  expectInteger("count", count, 0, scores.length);
  return topIndices(scores, 0, scores.length, count);
}
