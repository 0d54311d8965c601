import type { StepOutput } from "@frugal/core";

import type { Law } from "./law.ts";

/** Half the width of the interval around a random number that a guess looks at. */
export const spread = 0.1;

/**
 * What a draw with `u` gives under a law that `law` approximates: each id with the length by which
 * its part of the cumulative distribution lies in `[u - 0.1, u + 0.1]`.
 *
 * Its most probable id is {@link guessDraw}. Cost: O(size); the buffers are the caller's.
 */
export function guessLaw({ ids, weights, size, total }: Law, u: number): Law {
  const low = (u - spread) * total;
  const high = (u + spread) * total;
  const near: number[] = [];
  const covered: number[] = [];
  let end = 0;
  let mass = 0;
  for (let i = 0; i < size && end < high; i++) {
    const start = end;
    end += weights[i]!;
    const length = Math.min(end, high) - Math.max(start, low);
    if (length <= 0) continue;
    near.push(ids[i]!);
    covered.push(length);
    mass += length;
  }
  return {
    ids: Uint32Array.from(near),
    weights: Float64Array.from(covered),
    size: near.length,
    total: mass,
  };
}

/**
 * The law of the reduced row `row` at temperature 1, penalties aside: how likely the greedy choice
 * of another model is each of the largest. Cost: O(k log k).
 */
export function rankedLaw(top: NonNullable<StepOutput["top"]>, row: number): Law {
  const { ids, values, k } = top;
  const max = values[row * k]!;
  const entries = Array.from({ length: k }, (_, i) => row * k + i).sort(
    (a, b) => ids[a]! - ids[b]!,
  );
  const weights = Float64Array.from(entries, (at) => Math.exp(values[at]! - max));
  return {
    ids: Uint32Array.from(entries, (at) => ids[at]!),
    weights,
    size: k,
    total: weights.reduce((sum, weight) => sum + weight, 0),
  };
}
