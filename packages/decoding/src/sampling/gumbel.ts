import { type Rng, randomStream } from "@frugal/core";

import type { Law } from "./law.ts";

/**
 * The id with the largest `ln p + g`, where `g = -ln(-ln u)` is the Gumbel noise of the position and
 * the id: a draw from `law`.
 *
 * The noise belongs to the id, not to its rank, so two laws drawn at one position agree often, and
 * a law cut to fewer ids draws what the whole one does if that is left. Computed as the smallest
 * `-ln u / p`, which has the same order; ties go to the lower id. Cost: O(size), a random number and
 * a logarithm for each id, so a law is better truncated first.
 */
export function drawGumbel(law: Law, random: Rng, position: number): number {
  const { ids, weights, size } = law;
  if (size === 1) return ids[0]!;
  let best = 0;
  let first = Infinity;
  for (let i = 0; i < size; i++) {
    const weight = weights[i]!;
    if (weight <= 0) continue;
    const arrival = -Math.log(random.uniform(position, randomStream.gumbel, ids[i])) / weight;
    if (arrival < first) {
      first = arrival;
      best = i;
    }
  }
  return ids[best]!;
}
