import type { Rng } from "@frugal/core";

import { spread } from "./guess-law.ts";

/**
 * A distribution over token ids, as weights that need not sum to one.
 *
 * Only the first `size` entries of `ids` and `weights` count; ids are ascending and distinct, so
 * that a draw does not depend on how the support was found. A law returned by a sampler borrows the
 * sampler's buffers and holds until its next call; {@link copyLaw} keeps one.
 */
export interface Law {
  readonly ids: Uint32Array;
  readonly weights: Float64Array;
  readonly size: number;
  /** Sum of the weights; positive. */
  readonly total: number;
}

/**
 * The id at which the cumulative distribution of `law`, over ascending ids, first exceeds `u`.
 *
 * Cost: O(size). `u` lies in [0, 1); an id of weight 0 is never returned.
 */
export function drawFromLaw(law: Law, u: number): number {
  const { ids, weights, size } = law;
  const threshold = u * law.total;
  let sum = 0;
  let last = 0;
  for (let i = 0; i < size; i++) {
    const weight = weights[i]!;
    if (weight <= 0) continue;
    sum += weight;
    last = i;
    if (sum > threshold) break;
  }
  // Rounding can leave a sliver above the last sum; it belongs to the last id that had any weight.
  return ids[last]!;
}

/**
 * A guess at what {@link drawFromLaw} gives for `u` under a law that `law` approximates: the id
 * that covers most of the interval `[u - 0.1, u + 0.1]`, ties to the lower id.
 *
 * Two laws that nearly agree have cumulative sums that differ by the masses below `u`, so the id at
 * `u` itself is often a small one that happens to lie there; `npm run bench -- guesses` compares the
 * rules. Cost: O(size).
 */
export function guessDraw(law: Law, u: number): number {
  const { ids, weights, size } = law;
  const low = (u - spread) * law.total;
  const high = (u + spread) * law.total;
  let sum = 0;
  let widest = 0;
  let best = 0;
  for (let i = 0; i < size && sum < high; i++) {
    const start = sum;
    sum += weights[i]!;
    const covered = Math.min(sum, high) - Math.max(start, low);
    if (covered > widest) {
      widest = covered;
      best = i;
    }
  }
  return ids[best]!;
}

/** The probability of `id` under `law`; 0 outside its support. Cost: O(log size). */
export function probabilityOf(law: Law, id: number): number {
  const at = indexOfId(law, id);
  return at < 0 ? 0 : law.weights[at]! / law.total;
}

/** The most probable id; ties go to the lower id. Cost: O(size). */
export function mostProbable(law: Law): number {
  let best = 0;
  for (let i = 1; i < law.size; i++) if (law.weights[i]! > law.weights[best]!) best = i;
  return law.ids[best]!;
}

/** A law with buffers of its own, exactly as long as its support. */
export function copyLaw(law: Law): Law {
  return {
    ids: law.ids.slice(0, law.size),
    weights: law.weights.slice(0, law.size),
    size: law.size,
    total: law.total,
  };
}

/**
 * Draws from `max(0, p - q)`, renormalised: what a rejection verifier emits after a refusal.
 *
 * `q` null is a point mass on `refused`. Where rounding leaves nothing of the difference, the draw
 * is from `p` without `refused`, and where that is empty too, the most probable id of `p`. Cost:
 * two merged passes over both supports; nothing is allocated.
 *
 * @see Leviathan et al., arXiv:2211.17192, algorithm 1
 */
export function drawFromExcess(p: Law, q: Law | null, refused: number, u: number): number {
  const mass = scanExcess(p, q, refused, Infinity).sum;
  if (mass > 0) return scanExcess(p, q, refused, u * mass).id;
  const rest = scanExcess(p, null, refused, Infinity).sum;
  if (rest > 0) return scanExcess(p, null, refused, u * rest).id;
  return mostProbable(p);
}

/** Sums the excess over ascending ids until it is above `threshold`; the last id with any is `id`. */
function scanExcess(
  p: Law,
  q: Law | null,
  refused: number,
  threshold: number,
): { readonly sum: number; readonly id: number } {
  let sum = 0;
  let id = refused;
  for (let i = 0, j = 0; i < p.size; i++) {
    const candidate = p.ids[i]!;
    let excess = p.weights[i]! / p.total;
    if (q === null) {
      if (candidate === refused) continue;
    } else {
      while (j < q.size && q.ids[j]! < candidate) j++;
      if (j < q.size && q.ids[j] === candidate) excess -= q.weights[j]! / q.total;
    }
    if (excess <= 0) continue;
    sum += excess;
    id = candidate;
    if (sum > threshold) break;
  }
  return { sum, id };
}

/** Position of `id` in the support, or -1. */
function indexOfId(law: Law, id: number): number {
  let low = 0;
  let high = law.size - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const candidate = law.ids[middle]!;
    if (candidate === id) return middle;
    if (candidate < id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** The draw every decoder makes for the token at `position`. */
export function drawToken(law: Law, random: Rng, position: number): number {
  return law.size === 1 ? law.ids[0]! : drawFromLaw(law, random.uniform(position));
}
