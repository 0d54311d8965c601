import { acceptInTurn } from "./accept-in-turn.ts";
import type { Verifier } from "./verifier.ts";

/**
 * Tries siblings that were drawn without replacement, one after the other.
 *
 * After a refusal of `x_k` both laws shrink: `p` becomes `max(0, p - q)` and `q` loses `x_k`, both
 * renormalised. The text is distributed as without a draft, provided that the siblings are in the
 * order in which they were drawn and that none was dropped because of which token it is. Whether
 * there is a further sibling may depend on the earlier ones. Siblings that cover the whole support
 * of `p` are accepted with certainty. Guesses are treated as point masses.
 *
 * Cost: O(support) per refused sibling. Throws `state` for a token that its law gives no
 * probability, a repeated one included.
 *
 * @see Jeon et al., arXiv:2402.14160; Chen et al., arXiv:2402.12374;
 *   `docs/algorithms/recursive-rejection.md`
 */
export function recursiveRejection(): Verifier<true> {
  const choose = acceptInTurn("distinct");
  return { lossless: true, kinds: ["distinct", "point"], choose };
}
