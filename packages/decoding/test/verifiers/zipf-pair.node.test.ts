import { readFileSync } from "node:fs";

import { randomStream, type Rng } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  kSeq,
  type Law,
  multiRound,
  probabilityOf,
  recursiveRejection,
  rejection,
  type Verifier,
} from "../../src/index.ts";
import { lawOf } from "./verifier-law.ts";

type Rule = "multiRound" | "kSeq" | "recursiveRejection";
const oracle = JSON.parse(
  readFileSync(new URL("../oracles/sibling-acceptance.json", import.meta.url), "utf8"),
) as Record<Rule, number[]> & { readonly overlap: number; readonly optimumOfTwo: number };

const size = 50;
const p = lawOf(Array.from({ length: size }, (_, i) => 1 / (i + 1)));
const q = lawOf(Array.from({ length: size }, (_, i) => 1 / ((i ^ 5) + 1)));
const ids = [...p.ids];
/** Tokens that may be refused. */
const refusable = ids.filter((id) => probabilityOf(q, id) > probabilityOf(p, id));

/** The probability that the last of `tokens` is accepted once the ones before it were refused. */
function lastAccepted(verifier: Verifier, tokens: readonly number[]): number {
  const last = tokens.length - 1;
  const candidates = { tokens: Uint32Array.from(tokens), laws: tokens.map((): Law => q) };
  const isAccepted = (u: number): boolean => {
    let refused = false;
    const random: Rng = {
      uniform(_position, stream, index) {
        refused ||= stream !== randomStream.accept;
        return index === last ? u : 1 - 2 ** -53;
      },
    };
    verifier.choose(p, candidates, 0, random);
    return !refused;
  };
  let [low, high] = [0, 1];
  while (high - low > 1e-12) {
    const middle = (low + high) / 2;
    if (isAccepted(middle)) low = middle;
    else high = middle;
  }
  return high > 1 - 1e-11 ? 1 : low;
}

/** Over all draws of the sibling after some refused ones. */
const accepted = (verifier: Verifier, before: readonly number[]): number =>
  ids.reduce((sum, id) => sum + probabilityOf(q, id) * lastAccepted(verifier, [...before, id]), 0);

describe("a pair of Zipf laws over 50 tokens", () => {
  test("rejection accepts the overlap", () => {
    expect(accepted(rejection(), [])).toBeCloseTo(oracle.overlap, 9);
  });

  test.for([1, 2, 3, 4])("multiRound with %i siblings", (count) => {
    // What is left of the target's law does not depend on which tokens were refused.
    let refused = 1;
    for (let k = 0; k < count; k++) {
      const before = refusable.slice(0, k).map(() => refusable[0]!);
      refused *= 1 - accepted(multiRound(), before);
    }
    expect(1 - refused).toBeCloseTo(oracle.multiRound[count - 1]!, 9);
  });

  test.for([1, 2, 3, 4])("kSeq with %i siblings", (count) => {
    // All tests are alike; the number of siblings decides how strict they are.
    const first = (id: number): number => {
      const tokens = [...Array.from({ length: count - 1 }, () => refusable[0]!), id];
      return lastAccepted(kSeq(), tokens);
    };
    const one = ids.reduce((sum, id) => sum + probabilityOf(q, id) * first(id), 0);
    expect(1 - (1 - one) ** count).toBeCloseTo(oracle.kSeq[count - 1]!, 9);
  });

  test("recursiveRejection with two siblings", () => {
    let total = accepted(recursiveRejection(), []);
    expect(total).toBeCloseTo(oracle.recursiveRejection[0]!, 9);
    for (const first of refusable) {
      const refused = probabilityOf(q, first) - probabilityOf(p, first);
      const rest = 1 - probabilityOf(q, first);
      for (const id of ids) {
        if (id === first) continue;
        const drawn = probabilityOf(q, id) / rest;
        total += refused * drawn * lastAccepted(recursiveRejection(), [first, id]);
      }
    }
    expect(total).toBeCloseTo(oracle.recursiveRejection[1]!, 9);
  });

  test("independent draws accept less than the optimum, and kSeq nearly as much", () => {
    const [multi, sequential] = [oracle.multiRound[1]!, oracle.kSeq[1]!];
    expect(sequential).toBeGreaterThan((1 - 1 / Math.E) * oracle.optimumOfTwo);
    expect(sequential).toBeGreaterThan(multi);
    expect(sequential).toBeLessThan(oracle.optimumOfTwo);
  });
});
