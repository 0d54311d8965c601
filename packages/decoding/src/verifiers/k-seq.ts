import { InferenceError, randomStream } from "@frugal/core";

import { drawFromLaw, drawToken, type Law, probabilityOf } from "../sampling/law.ts";
import { Residual } from "../sampling/residual.ts";
import { expectRange } from "../sampling/sampling-options.ts";
import { notDrawn } from "./accept-in-turn.ts";
import type { Verifier } from "./verifier.ts";

/** Options of {@link kSeq}. */
export interface KSeqOptions {
  /**
   * How much less than its share a draw is accepted, so that later ones have a chance, in
   * `[1, siblings]`: values below the optimum are raised to it. Default `"optimal"`.
   */
  readonly rho?: "optimal" | number;
}

/**
 * Tries siblings that were drawn independently from one law, all with the same test.
 *
 * With `k` siblings and a number `rho`, each is accepted with probability
 * `min(1, p(x) / (rho q(x)))`. Of the `k` tests one succeeds with probability `a = 1 - (1 - b)^k`,
 * `b = sum_x min(q(x), p(x) / rho)`; if none does, the token is drawn from
 * `p - min(q, p / rho) a / b`, renormalised, which does not depend on what was refused. That is
 * non-negative from the `rho` on that solves `a = rho b`, which is the best one and is found by
 * bisection, rounded up. The text is distributed as without a draft. With one sibling `rho` is 1 and
 * this is rejection.
 *
 * Repeated draws count as often as they were drawn, which makes chains with a common beginning
 * alive or dead together. Cost: 60 passes over the common support for the bisection. Throws `state`
 * for a token that its law gives no probability; `range` for a `rho` below 1.
 *
 * @see Sun et al., arXiv:2310.15141, K-SEQ; `docs/algorithms/k-sequential-selection.md`
 */
export function kSeq(options: KSeqOptions = {}): Verifier<true> {
  const { rho: wanted = "optimal" } = options;
  const isRho = wanted === "optimal" || (wanted >= 1 && wanted < Infinity);
  expectRange("rho", wanted, '"optimal" or a number >= 1', isRho);
  const rest = new Residual();
  const overlap = createOverlap();
  return {
    lossless: true,
    kinds: ["sampled"],
    choose(law, { tokens, laws }, position, random) {
      const n = tokens.length;
      if (n === 0) return drawToken(law, random, position);
      if (laws === null)
        throw new InferenceError("unsupported", "kSeq: expected draws, got guesses");
      const q = laws[0]!;
      overlap.load(law, q);
      const best = overlap.optimalRho(n);
      const rho = wanted === "optimal" ? best : Math.min(n, Math.max(best, wanted));
      for (let k = 0; k < n; k++) {
        const drafted = probabilityOf(q, tokens[k]!);
        if (!(drafted > 0)) throw notDrawn(tokens[k]!, position, drafted);
        const u = random.uniform(position, randomStream.accept, k);
        if (u * rho * drafted < probabilityOf(law, tokens[k]!)) return tokens[k]!;
      }
      const mass = overlap.mass(rho);
      const share = mass > 0 ? (1 - (1 - mass) ** n) / mass : 0;
      subtractOverlap(rest, law, q, rho, share);
      if (!(rest.total > 0)) rest.fallBack(law, tokens, n);
      return drawFromLaw(rest, random.uniform(position));
    },
  };
}

/** The tokens that both laws have, as pairs of probabilities. */
function createOverlap() {
  let pairs = new Float64Array(0);
  let count = 0;
  const mass = (rho: number): number => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += Math.min(pairs[2 * i + 1]!, pairs[2 * i]! / rho);
    return sum;
  };
  return {
    load(p: Law, q: Law): void {
      const bound = 2 * Math.min(p.size, q.size);
      if (pairs.length < bound) pairs = new Float64Array(bound);
      count = 0;
      for (let i = 0, j = 0; i < p.size && j < q.size;) {
        const [a, b] = [p.ids[i]!, q.ids[j]!];
        if (a === b) {
          pairs[2 * count] = p.weights[i]! / p.total;
          pairs[2 * count + 1] = q.weights[j]! / q.total;
          count++;
        }
        if (a <= b) i++;
        if (b <= a) j++;
      }
    },
    mass,
    /** The smallest `rho` in `[1, n]` with `1 - (1 - mass)^n <= rho mass`, rounded up. */
    optimalRho(n: number): number {
      let [low, high] = [1, n];
      for (let i = 0; i < 60 && low < high; i++) {
        const rho = (low + high) / 2;
        const b = mass(rho);
        if (1 - (1 - b) ** n <= rho * b) high = rho;
        else low = rho;
      }
      return high;
    },
  };
}

/** `rest` becomes `max(0, p - share min(q, p / rho))`. */
function subtractOverlap(rest: Residual, p: Law, q: Law, rho: number, share: number): void {
  rest.load(p);
  const { ids, weights, size } = rest;
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const common = Math.min(probabilityOf(q, ids[i]!), weights[i]! / rho);
    weights[i] = Math.max(0, weights[i]! - share * common);
    sum += weights[i]!;
  }
  rest.total = sum;
}
