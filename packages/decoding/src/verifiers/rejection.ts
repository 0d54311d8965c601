import { InferenceError, randomStream } from "@frugal/core";

import { drawFromExcess, drawToken, probabilityOf } from "../sampling/law.ts";
import type { Verifier } from "./verifier.ts";

/**
 * Accepts a drafted token `x` with probability `min(1, p(x) / q(x))`, and otherwise draws from
 * `max(0, p - q)`, renormalised.
 *
 * The text is distributed exactly as without a draft, and no verifier of one draft accepts more:
 * `1 - TV(p, q)`. It is not the *same* text, though: a seed reproduces a run only with the same
 * drafter and draft lengths. A guess without a law counts as a point mass, where the rule accepts
 * as often as {@link sampleMatch}.
 *
 * Chains only. Throws `unsupported` for siblings, and `state` for a token that its own law gives no
 * probability.
 *
 * @see Leviathan et al., arXiv:2211.17192; Chen et al., arXiv:2302.01318
 */
export function rejection(): Verifier<true> {
  return {
    lossless: true,
    kinds: ["sampled", "point"],
    choose(law, { tokens, law: draftLaw }, position, random) {
      if (tokens.length === 0) return drawToken(law, random, position);
      if (tokens.length > 1) {
        throw new InferenceError(
          "unsupported",
          `rejection: expected at most one candidate per position, got ${tokens.length}`,
        );
      }
      const drafted = tokens[0]!;
      const q = draftLaw === null ? 1 : probabilityOf(draftLaw, drafted);
      if (!(q > 0)) {
        throw new InferenceError(
          "state",
          `draft: expected token ${drafted} at position ${position} to have been drawn from its law, got probability ${q}`,
        );
      }
      // u * q < p, not u < p / q: no division, and a token of target probability 0 never passes.
      const u = random.uniform(position, randomStream.accept);
      if (u * q < probabilityOf(law, drafted)) return drafted;
      return drawFromExcess(law, draftLaw, drafted, random.uniform(position));
    },
  };
}
