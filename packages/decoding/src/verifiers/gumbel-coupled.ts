import { drawGumbel } from "../sampling/gumbel.ts";
import type { Verifier } from "./verifier.ts";

/**
 * Draws the target's token with Gumbel noise that belongs to the position and the token id, and then
 * looks whether the draft had drawn it with the same noise.
 *
 * Like {@link sampleMatch} the text is distributed as without a draft and does not depend on the
 * draft at all (it is another text for the same seed). A draft model that uses the same noise agrees
 * with probability `sum_i 1 / sum_j max(p_j / p_i, q_j / q_i)`, at least `(1 - TV) / (1 + TV)`:
 * nearly as often as rejection accepts, where independent draws agree with `sum_i p_i q_i`.
 *
 * Cost: a random number and a logarithm for each id of the support; meant for truncated laws.
 *
 * @see Daliri et al., arXiv:2408.07978; `docs/algorithms/gumbel-coupling.md`
 */
export function gumbelCoupled(): Verifier<true> {
  return {
    lossless: true,
    kinds: ["coupled", "point", "sampled", "distinct"],
    choose: (law, _candidates, position, random) => drawGumbel(law, random, position),
  };
}
