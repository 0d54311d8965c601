import { randomStream, type Rng } from "@frugal/core";

import { type Candidates, type Law, probabilityOf, type Verifier } from "../../src/index.ts";

/** A law over ids `0 ..` from weights; ids of weight 0 are left out. */
export function lawOf(weights: readonly number[]): Law {
  const ids = [...weights.keys()].filter((id) => weights[id]! > 0);
  return {
    ids: Uint32Array.from(ids),
    weights: Float64Array.from(ids, (id) => weights[id]!),
    size: ids.length,
    total: weights.reduce((a, b) => a + b, 0),
  };
}

/** What a verifier emits: the mass of every token, and how much of it passed an acceptance test. */
export interface Emission {
  readonly masses: number[];
  accepted: number;
}

/**
 * The exact law of a choice, by integrating over the random numbers it asks for.
 *
 * An acceptance test is a threshold and a draw is a staircase over ascending ids, so the values at
 * which the behaviour changes are found by bisection, to 2^-44.
 */
export function emissionOf(
  verifier: Pick<Verifier, "choose">,
  law: Law,
  candidates: Candidates,
  vocabSize: number,
): Emission {
  const emission: Emission = { masses: Array.from({ length: vocabSize }, () => 0), accepted: 0 };

  /** The token, or "more" where a number beyond `given` was asked for; and which streams were. */
  const play = (given: readonly number[]): { token: number | "more"; streams: number[] } => {
    const streams: number[] = [];
    let isShort = false;
    const random: Rng = {
      uniform(_position, stream = 0) {
        isShort ||= streams.length >= given.length;
        const value = given[streams.length] ?? 0.5;
        streams.push(stream);
        return value;
      },
    };
    const token = verifier.choose(law, candidates, 0, random);
    return { token: isShort ? "more" : token, streams };
  };

  /** Integrates over the next number: one branch for each stretch of it with the same behaviour. */
  const explore = (given: readonly number[], mass: number): void => {
    const { token, streams } = play(given);
    if (token !== "more") {
      emission.masses[token]! += mass;
      const isTest = streams.length > 0 && streams.every((s) => s === randomStream.accept);
      if (isTest) emission.accepted += mass;
      return;
    }
    const behaviour = (u: number) => play([...given, u]).token;
    let low = 0;
    while (low < 1) {
      const high = endOfStretch(behaviour, low);
      if (high - low > 1e-11) explore([...given, (low + high) / 2], mass * (high - low));
      low = high;
    }
  };

  explore([], 1);
  return emission;
}

/** Where the behaviour just after `low` ends, at most 1: exponential search, then bisection. */
function endOfStretch(behaviour: (u: number) => number | string, low: number): number {
  const tiny = 2 ** -44;
  const first = behaviour(low + tiny);
  // Ids are ascending and a test is a threshold: what has changed does not come back.
  if (behaviour(1 - tiny) === first) return 1;
  let [same, other] = [low + tiny, 1 - tiny];
  while (other - same > tiny) {
    const middle = (same + other) / 2;
    if (behaviour(middle) === first) same = middle;
    else other = middle;
  }
  return other;
}

/** All ways to draw `count` siblings from `q`, with their probabilities. */
export function draws(
  q: Law,
  count: number,
  distinct: boolean,
): { tokens: number[]; mass: number }[] {
  let all = [{ tokens: [] as number[], mass: 1 }];
  for (let k = 0; k < count; k++) {
    all = all.flatMap(({ tokens, mass }) => {
      const gone = distinct ? tokens.reduce((sum, id) => sum + probabilityOf(q, id), 0) : 0;
      return [...q.ids.subarray(0, q.size)]
        .filter((id) => !distinct || !tokens.includes(id))
        .map((id) => ({
          tokens: [...tokens, id],
          mass: (mass * probabilityOf(q, id)) / (1 - gone),
        }));
    });
  }
  return all;
}

/** The law of what is emitted where `count` siblings are drawn from `q` and then checked. */
export function nodeLaw(
  verifier: Pick<Verifier, "choose">,
  p: Law,
  q: Law,
  count: number,
  distinct: boolean,
  vocabSize: number,
): Emission {
  const total: Emission = { masses: Array.from({ length: vocabSize }, () => 0), accepted: 0 };
  for (const { tokens, mass } of draws(q, count, distinct)) {
    const candidates = { tokens: Uint32Array.from(tokens), laws: tokens.map(() => q) };
    const { masses, accepted } = emissionOf(verifier, p, candidates, vocabSize);
    for (const [id, share] of masses.entries()) total.masses[id]! += mass * share;
    total.accepted += mass * accepted;
  }
  return total;
}

/**
 * The most that any exact rule can accept of `count` independent draws from `q`: the value of the
 * optimal-transport linear programme, by max-flow min-cut over the sets of tokens.
 */
export function optimalAcceptance(
  p: readonly number[],
  q: readonly number[],
  count: number,
): number {
  let least = Infinity;
  for (let set = 0; set < 2 ** p.length; set++) {
    const sum = (law: readonly number[]) =>
      law.reduce((total, mass, id) => total + ((set >> id) & 1 ? mass : 0), 0);
    least = Math.min(least, sum(p) + 1 - sum(q) ** count);
  }
  return least;
}
