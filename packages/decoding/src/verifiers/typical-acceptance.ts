import { drawFromLaw, drawToken, type Law, mostProbable, probabilityOf } from "../sampling/law.ts";
import { Residual } from "../sampling/residual.ts";
import { expectRange } from "../sampling/sampling-options.ts";
import type { Verifier } from "./verifier.ts";

/** Options of {@link typicalAcceptance}. */
export interface TypicalAcceptanceOptions {
  /** The most probability that is ever demanded, in (0, 1]. Default 0.09. */
  readonly epsilon?: number;
  /** The share of `exp(-entropy)` that is demanded, in (0, 1]. Default 0.3. */
  readonly delta?: number;
}

/**
 * Lossy: accepts every drafted token that is not improbable, with certainty.
 *
 * A token passes if its probability exceeds `min(epsilon, delta exp(-H))`, where `H` is the entropy
 * of the processed law in nats; of several siblings that pass the most probable one is taken, ties
 * to the earlier one. If none passes, the token is drawn from what exceeds that threshold, or is
 * the most probable one where nothing does. At temperature 0 this is greedy verification.
 *
 * The text is *not* distributed as without a draft: what the draft proposes becomes more frequent.
 * Deviates from the published code, which follows the longest accepted path of the whole tree: here
 * the walk goes on from the most probable child, so that only rows on the path are looked at. Cost:
 * O(support) with a logarithm for each id.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see Cai et al., arXiv:2401.10774, typical acceptance; `docs/algorithms/typical-acceptance.md`
 */
export function typicalAcceptance(options: TypicalAcceptanceOptions = {}): Verifier<false> {
  const { epsilon = 0.09, delta = 0.3 } = options;
  expectRange("epsilon", epsilon, "a number in (0, 1]", epsilon > 0 && epsilon <= 1);
  expectRange("delta", delta, "a number in (0, 1]", delta > 0 && delta <= 1);
  const rest = new Residual();
  return {
    lossless: false,
    kinds: ["point", "coupled", "sampled", "distinct"],
    choose(law, { tokens }, position, random) {
      if (tokens.length === 0) return drawToken(law, random, position);
      const threshold = Math.min(epsilon, delta * Math.exp(-entropyOf(law)));
      let best = -1;
      let most = threshold;
      for (const token of tokens) {
        const probability = probabilityOf(law, token);
        if (probability <= most) continue;
        most = probability;
        best = token;
      }
      if (best >= 0) return best;
      rest.load(law);
      let sum = 0;
      for (let i = 0; i < rest.size; i++) {
        if (rest.weights[i]! <= threshold) rest.weights[i] = 0;
        sum += rest.weights[i]!;
      }
      rest.total = sum;
      return sum > 0 ? drawFromLaw(rest, random.uniform(position)) : mostProbable(law);
    },
  };
}

/** The entropy in nats. */
function entropyOf({ weights, size, total }: Law): number {
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const probability = weights[i]! / total;
    if (probability > 0) sum -= probability * Math.log(probability);
  }
  return sum;
}
