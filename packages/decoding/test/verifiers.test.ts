import { InferenceError, philox, type Rng } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  drawFromLaw,
  greedy,
  type Law,
  probabilityOf,
  rejection,
  sampleMatch,
  type Verifier,
} from "../src/index.ts";
import { enumerate } from "./enumerate.ts";

const lawOf = (weights: readonly number[]): Law => {
  const ids = [...weights.keys()].filter((id) => weights[id]! > 0);
  return {
    ids: Uint32Array.from(ids),
    weights: Float64Array.from(ids, (id) => weights[id]!),
    size: ids.length,
    total: weights.reduce((a, b) => a + b, 0),
  };
};

/** One position: draft from q, verify against p. The outcome is "token accepted?". */
const onePosition =
  (verifier: Verifier, p: Law, q: Law, point: boolean) =>
  (random: Rng): string => {
    const drafted = drawFromLaw(q, random.uniform(0, 2));
    const candidates = { tokens: Uint32Array.of(drafted), laws: point ? null : [q] };
    const token = verifier.choose(p, candidates, 0, random);
    return `${token} ${token === drafted}`;
  };

const marginal = (law: Map<string, number>, n: number): number[] =>
  Array.from(
    { length: n },
    (_, id) => (law.get(`${id} true`) ?? 0) + (law.get(`${id} false`) ?? 0),
  );

const acceptance = (law: Map<string, number>): number =>
  [...law].reduce((sum, [key, mass]) => sum + (key.endsWith("true") ? mass : 0), 0);

const expectLaw = (actual: readonly number[], p: Law): void => {
  for (const [id, mass] of actual.entries()) expect(mass).toBeCloseTo(probabilityOf(p, id), 9);
};

describe("the golden pair, by enumeration", () => {
  const p = lawOf([5, 3, 2]);
  const q = lawOf([2, 5, 3]);

  test("rejection accepts 7/10 and is exact", async () => {
    const law = await enumerate(onePosition(rejection(), p, q, false), 30);
    expectLaw(marginal(law, 3), p);
    expect(acceptance(law)).toBeCloseTo(0.7, 9);
    // The residual is (1, 0, 0).
    expect([law.get("1 false"), law.get("2 false")]).toEqual([undefined, undefined]);
  });

  test("sample-match accepts sum p q = 0.31 of independent drafts", async () => {
    const law = await enumerate(onePosition(sampleMatch(), p, q, false), 10);
    expectLaw(marginal(law, 3), p);
    expect(acceptance(law)).toBeCloseTo(0.31, 9);
  });

  test("a guess of the draft's favourite is accepted with its probability, 0.30", async () => {
    for (const verifier of [sampleMatch(), rejection()]) {
      const favourite = lawOf([0, 1, 0]);
      const law = await enumerate(onePosition(verifier, p, favourite, true), 70);
      expectLaw(marginal(law, 3), p);
      expect(acceptance(law)).toBeCloseTo(0.3, 9);
    }
  });

  test("drawing both with one number accepts more than drawing twice", () => {
    let same = 0;
    for (let i = 0; i < 10; i++) {
      if (drawFromLaw(p, (i + 0.5) / 10) === drawFromLaw(q, (i + 0.5) / 10)) same++;
    }
    expect(same).toBe(6);
  });
});

describe("rejection, for any pair of laws", () => {
  /** Weights of five parts, so that every threshold is a multiple of 1 / 60. */
  const composition = fc
    .array(fc.nat(3), { minLength: 5, maxLength: 5 })
    .map((places) => [0, 1, 2, 3].map((id) => places.filter((place) => place === id).length));

  test("is exact and accepts 1 - TV, with zeros on either side", async () => {
    await fc.assert(
      fc.asyncProperty(composition, composition, async (pWeights, qWeights) => {
        const [p, q] = [lawOf(pWeights), lawOf(qWeights)];
        const law = await enumerate(onePosition(rejection(), p, q, false), 60);
        expectLaw(marginal(law, 4), p);
        const overlap = pWeights.reduce((sum, w, id) => sum + Math.min(w, qWeights[id]!), 0) / 5;
        expect(acceptance(law)).toBeCloseTo(overlap, 9);
      }),
      { seed: 1, numRuns: 12 },
    );
  });

  test("is exact for any guess", async () => {
    await fc.assert(
      fc.asyncProperty(composition, fc.nat(3), async (weights, guess) => {
        const p = lawOf(weights);
        const point = lawOf([0, 1, 2, 3].map((id) => (id === guess ? 1 : 0)));
        const law = await enumerate(onePosition(rejection(), p, point, true), 60);
        expectLaw(marginal(law, 4), p);
        expect(acceptance(law)).toBeCloseTo(probabilityOf(p, guess), 9);
      }),
      { seed: 2, numRuns: 8 },
    );
  });

  test("identical laws are always accepted, disjoint ones never", async () => {
    const p = lawOf([1, 4, 0, 0]);
    const q = lawOf([0, 0, 2, 3]);
    const same = await enumerate(onePosition(rejection(), p, p, false), 10);
    expect(acceptance(same)).toBeCloseTo(1, 12);
    const apart = await enumerate(onePosition(rejection(), p, q, false), 10);
    expect(acceptance(apart)).toBe(0);
    expectLaw(marginal(apart, 4), p);
  });
});

describe("corner cases", () => {
  const p = lawOf([1, 1]);

  test("without candidates every verifier draws the token of the position", () => {
    const random = philox(3);
    const none = { tokens: new Uint32Array(0), laws: null };
    const expected = drawFromLaw(p, random.uniform(9));
    expect(sampleMatch().choose(p, none, 9, random)).toBe(expected);
    expect(rejection().choose(p, none, 9, random)).toBe(expected);
    expect(greedy().choose(p, none, 9, random)).toBe(0);
  });

  test("rejection refuses a token that its own law excludes", () => {
    const candidates = { tokens: Uint32Array.of(1), laws: [lawOf([1, 0])] };
    expect(() => rejection().choose(p, candidates, 4, philox(0))).toThrow(
      expect.toSatisfy((error: unknown) => InferenceError.is(error, "state")),
    );
  });

  test("rejection refuses drawn siblings", () => {
    const candidates = { tokens: Uint32Array.of(0, 1), laws: [p, p] };
    expect(() => rejection().choose(p, candidates, 4, philox(0))).toThrow(
      expect.toSatisfy((error: unknown) => InferenceError.is(error, "unsupported")),
    );
  });

  test("lossless is part of the type", () => {
    const lossless: Verifier<true>[] = [greedy(), sampleMatch(), rejection()];
    expect(lossless.every((verifier) => verifier.lossless)).toBe(true);
  });
});
