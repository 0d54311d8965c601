import { InferenceError } from "@frugal/core";

import { acceptInTurn } from "./accept-in-turn.ts";
import type { Verifier } from "./verifier.ts";

/**
 * Accepts a drafted token `x` with probability `min(1, p(x) / q(x))`, and otherwise draws from
 * `max(0, p - q)`, renormalised.
 *
 * The text is distributed exactly as without a draft, and no verifier of one draft accepts more:
 * `1 - TV(p, q)`. It is not the *same* text, though: a seed reproduces a run only with the same
 * drafter and draft lengths. A guess without a law counts as a point mass; several guesses are tried
 * one after the other, each against what the ones before left of `p`, and one of them is accepted
 * as often as with {@link sampleMatch}.
 *
 * One drawn token per position: see {@link multiRound} and {@link recursiveRejection} for drawn
 * siblings. Throws `unsupported` for those, and `state` for a token that its own law gives no
 * probability.
 *
 * @see Leviathan et al., arXiv:2211.17192; Chen et al., arXiv:2302.01318
 */
export function rejection(): Verifier<true> {
  const choose = acceptInTurn("independent");
  return {
    lossless: true,
    kinds: ["sampled", "point"],
    choose(law, candidates, position, random) {
      const { tokens, laws } = candidates;
      if (laws !== null && tokens.length > 1) {
        const message = `expected at most one drawn token per position, got ${tokens.length}`;
        throw new InferenceError("unsupported", `rejection: ${message}`);
      }
      return choose(law, candidates, position, random);
    },
  };
}
