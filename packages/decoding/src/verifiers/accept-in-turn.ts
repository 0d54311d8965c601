import { InferenceError, randomStream, type Rng } from "@frugal/core";

import { drawFromLaw, drawToken, type Law, probabilityOf } from "../sampling/law.ts";
import { Residual } from "../sampling/residual.ts";
import type { Candidates } from "./verifier.ts";

/** How siblings that carry laws were drawn. */
export type Siblings = "independent" | "distinct";

/**
 * Makes the choice that rejection rules share: try siblings in the order in which they were drawn.
 *
 * With `p` the target's law and `q_k` the law that sibling `x_k` was drawn from, accept it with
 * probability `min(1, p(x_k) / q_k(x_k))`; otherwise replace `p` by `max(0, p - q_k)`, renormalised,
 * and go on; after the last draw from what is left. For independent siblings `q_k` is the law they
 * carry; for distinct ones it is the law of the first without the tokens drawn before, renormalised;
 * for guesses a point mass. The result is distributed as `p`, by induction over the siblings.
 *
 * Acceptance tests use stream `accept` with index `k`, the last draw is that of the position. The
 * returned function owns its buffers. Cost: O(support) per refused sibling.
 */
export function acceptInTurn(
  siblings: Siblings,
): (law: Law, candidates: Candidates, position: number, random: Rng) => number {
  const p = new Residual();
  const rest = new Residual();
  return (law, { tokens, laws }, position, random) => {
    const n = tokens.length;
    if (n === 0) return drawToken(law, random, position);
    p.load(law);
    const isDistinct = siblings === "distinct" && laws !== null;
    if (isDistinct) rest.load(laws[0]!);
    for (let k = 0; k < n; k++) {
      const token = tokens[k]!;
      const q = laws === null ? null : isDistinct ? rest : laws[k]!;
      const drafted = q === null ? 1 : q.total > 0 ? probabilityOf(q, token) : 0;
      if (!(drafted > 0)) throw notDrawn(token, position, drafted);
      // u * q < p, not u < p / q: no division, and a token of probability 0 never passes.
      const u = random.uniform(position, randomStream.accept, k);
      if (u * drafted < p.probabilityOf(token)) return token;
      if (q === null) p.remove(token);
      else p.subtract(q);
      if (!(p.total > 0)) p.fallBack(law, tokens, k + 1);
      if (isDistinct) rest.remove(token);
    }
    return drawFromLaw(p, random.uniform(position));
  };
}

/** The error for a token that its own law gives no probability. */
export function notDrawn(token: number, position: number, got: number): InferenceError {
  const expected = `expected token ${token} at position ${position} to have been drawn from its law`;
  return new InferenceError("state", `draft: ${expected}, got probability ${got}`);
}
