import { InferenceError, randomStream } from "@frugal/core";

import { drawFromLaw, drawToken, type Law, mostProbable, probabilityOf } from "../sampling/law.ts";
import { Residual } from "../sampling/residual.ts";
import { expectRange } from "../sampling/sampling-options.ts";
import { notDrawn } from "./accept-in-turn.ts";
import type { NearestCodes } from "./nearest-codes.ts";
import type { Verifier } from "./verifier.ts";

/** Options of {@link lantern}. */
export interface LanternOptions {
  /** Which tokens can stand for which; see {@link nearestCodes}. */
  readonly neighbours: NearestCodes;
  /** The most probability that a token borrows, in [0, 1]. Default 0.1. */
  readonly delta?: number;
  /** Instead of `delta`: the most it borrows as a multiple of its own probability, at least 0. */
  readonly lambda?: number;
  /**
   * Draws nothing: accepts a token if with what it borrows it is the most probable one, ties to the
   * lower id, and emits the law's most probable one otherwise. For temperature 1, at which the law
   * is the model's own. Default false.
   */
  readonly greedy?: boolean;
}

/**
 * Lossy: rejection in which a drafted token also has the probability of tokens that look like it,
 * for image codes, of which many are interchangeable.
 *
 * A token `x` borrows the probability of its nearest neighbours, as many as keep the sum within
 * `delta` (or `lambda p(x)`); one of probability 0 borrows nothing. With `p'` the target's law in
 * which they have given theirs to `x`, it is accepted with probability `min(1, p'(x) / q(x))`, and
 * otherwise the token is drawn from `max(0, p' - q)`, renormalised. Each `p'` is within total
 * variation `delta` of `p`; the law of what is emitted need not be, since every drawn token has a
 * `p'` of its own. Siblings are tried in turn, each against what the ones before left, so
 * independent draws and guesses are checked; a guess counts as a point mass. With `delta` 0 this is
 * {@link multiRound}.
 *
 * At temperature 0 the law has one token, there is nothing to borrow, and this is greedy
 * verification. Cost: that of rejection and a binary search for each neighbour looked at. Throws
 * `state` for a token that its own law gives no probability; `range` for options outside their
 * intervals; `shape` where the table has no row for a token.
 *
 * @see Jang et al., arXiv:2410.03355; `docs/algorithms/nearest-code-acceptance.md`
 */
export function lantern(options: LanternOptions): Verifier<false> {
  const { neighbours, delta = 0.1, lambda, greedy = false } = options;
  expectRange("delta", delta, "a number in [0, 1]", delta >= 0 && delta <= 1);
  expectRange("lambda", lambda, "a number >= 0", lambda === undefined || lambda >= 0);
  const bound = (own: number): number => (lambda === undefined ? delta : lambda * own);
  const p = new Residual();

  const chooseGreedily = (law: Law, tokens: Uint32Array): number => {
    for (const token of tokens) {
      p.load(law);
      borrow(p, token, neighbours, bound);
      if (mostProbable(p) === token) return token;
    }
    return mostProbable(law);
  };

  return {
    lossless: false,
    kinds: ["sampled", "point"],
    choose(law, { tokens, laws }, position, random) {
      if (greedy) return chooseGreedily(law, tokens);
      if (tokens.length === 0) return drawToken(law, random, position);
      p.load(law);
      for (let k = 0; k < tokens.length; k++) {
        const token = tokens[k]!;
        const q = laws === null ? null : laws[k]!;
        const drafted = q === null ? 1 : probabilityOf(q, token);
        if (!(drafted > 0)) throw notDrawn(token, position, drafted);
        borrow(p, token, neighbours, bound);
        const u = random.uniform(position, randomStream.accept, k);
        if (u * drafted < p.probabilityOf(token)) return token;
        if (q === null) p.remove(token);
        else p.subtract(q);
        if (!(p.total > 0)) p.fallBack(law, tokens, k + 1);
      }
      return drawFromLaw(p, random.uniform(position));
    },
  };
}

/** Moves to `token` the mass of its nearest neighbours, within what `bound` allows. */
function borrow(
  p: Residual,
  token: number,
  { count, ids }: NearestCodes,
  bound: (own: number) => number,
): void {
  const start = token * count;
  if (start + count > ids.length) {
    throw new InferenceError("shape", `neighbours: expected a row for token ${token}, got none`);
  }
  const own = p.probabilityOf(token);
  // A token outside the support has no place to put it.
  if (!(own > 0)) return;
  const most = bound(own);
  let borrowed = 0;
  let taken = 0;
  while (taken < count) {
    const mass = p.probabilityOf(ids[start + taken]!);
    if (borrowed + mass > most) break;
    borrowed += mass;
    taken++;
  }
  p.move(ids.subarray(start, start + taken), token);
}
