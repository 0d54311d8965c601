import { acceptInTurn } from "./accept-in-turn.ts";
import type { Verifier } from "./verifier.ts";

/**
 * Tries siblings that were drawn independently, one after the other, each against what the ones
 * before left of the target's law.
 *
 * Sibling `x_k`, drawn from `q_k`, is accepted with probability `min(1, p(x_k) / q_k(x_k))`;
 * otherwise `p` becomes `max(0, p - q_k)`, renormalised. The text is distributed as without a draft.
 * Laws may differ between siblings, as with several draft models. A repeated draw of a refused token
 * is refused again (nothing of its law is left) and still counts: leaving it out would bias the
 * rest. With one sibling this is {@link rejection}. Guesses are treated as point masses.
 *
 * Cost: O(support) per refused sibling. Throws `state` for a token that its own law gives no
 * probability.
 *
 * @see Miao et al., arXiv:2305.09781; `docs/algorithms/multi-round-verification.md`
 */
export function multiRound(): Verifier<true> {
  const choose = acceptInTurn("independent");
  return { lossless: true, kinds: ["sampled", "point"], choose };
}
