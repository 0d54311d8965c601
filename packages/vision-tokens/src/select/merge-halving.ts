import type { Matrix } from "@frugal/core";

import { expectFinite, expectInteger } from "../expect.ts";
import { mergeBipartite } from "./merge-bipartite.ts";
import { applyReduction, composeReductions, createReduction, type Reduction } from "./reduction.ts";

/**
 * AIM, first stage: halves the rows `rounds` times, each time merging every even row into the most
 * similar odd one by features. A merged row is the plain mean of its two or more, so after two rounds
 * it is a mean of means. Two rounds are the default of the paper.
 *
 * Every even row must merge, also one that is like no other: what is unique in an image can get lost.
 * `mergeBipartite` with `minSimilarity` avoids that.
 *
 * _Cost_: that of `mergeBipartite` in the first round, a quarter of it in each further one.
 *
 * @throws `InferenceError` `shape` or `range` for buffers and numbers that do not fit.
 * @see AIM (Zhong et al.), arXiv:2412.03248; `docs/algorithms/bipartite-merging.md`
 */
export function mergeHalving(features: Matrix, rounds: number = 2): Reduction {
  expectFinite("features", features);
  expectInteger("rounds", rounds, 0);
  const all = Uint32Array.from({ length: features.rows }, (_, i) => i);
  let whole = createReduction(
    features.rows,
    Array.from(all, (row) => ({ anchor: row, terms: [[row, 1]] })),
  );
  let merged = features;
  for (let round = 1; round <= rounds && merged.rows > 1; round++) {
    const { reduction } = mergeBipartite(merged, Math.floor(features.rows / 2 ** round));
    merged = applyReduction(reduction, merged);
    whole = composeReductions(reduction, whole);
  }
  return whole;
}
