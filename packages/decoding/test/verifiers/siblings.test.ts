import { InferenceError, philox, randomStream } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  createSampler,
  copyLaw,
  greedy,
  gumbelCoupled,
  kSeq,
  type Law,
  multiRound,
  probabilityOf,
  recursiveRejection,
  rejection,
  sampleMatch,
  type Verifier,
} from "../../src/index.ts";
import { emissionOf, lawOf, nodeLaw, optimalAcceptance } from "./verifier-law.ts";

const p = lawOf([5, 3, 2]);
const q = lawOf([2, 5, 3]);

const expectExact = (masses: readonly number[], law: Law): void => {
  for (const [id, mass] of masses.entries()) expect(mass).toBeCloseTo(probabilityOf(law, id), 9);
};

describe("the golden pair", () => {
  const golden: [string, () => Verifier, boolean, number[]][] = [
    ["multiRound", multiRound, false, [7 / 10, 19 / 25, 101 / 125]],
    ["recursiveRejection", recursiveRejection, true, [7 / 10, 283 / 350, 1]],
  ];
  for (const [name, create, distinct, rates] of golden) {
    test.for([1, 2, 3])(`${name} of %i siblings`, (count) => {
      const { masses, accepted } = nodeLaw(create(), p, q, count, distinct, 3);
      expectExact(masses, p);
      expect(accepted).toBeCloseTo(rates[count - 1]!, 9);
    });
  }

  test("kSeq accepts 1 - (1 - beta)^k with the optimal rho", () => {
    for (const [i, beta] of [0.7, 0.5432235637, 0.478925552].entries()) {
      const { masses, accepted } = nodeLaw(kSeq(), p, q, i + 1, false, 3);
      expectExact(masses, p);
      expect(accepted).toBeCloseTo(1 - (1 - beta) ** (i + 1), 9);
    }
    for (const [count, rho] of [
      [2, 1.456776364],
      [3, 1.7925930283],
    ] as const) {
      // The golden rho gives the same; a smaller one is raised to it, a larger one is exact too.
      const rates = [1, rho, count].map((given) => {
        const { masses, accepted } = nodeLaw(kSeq({ rho: given }), p, q, count, false, 3);
        expectExact(masses, p);
        return accepted;
      });
      const best = nodeLaw(kSeq(), p, q, count, false, 3).accepted;
      expect(rates[0]).toBeCloseTo(best, 9);
      expect(rates[1]).toBeCloseTo(best, 9);
      expect(rates[2]).toBeLessThan(best);
    }
  });

  test("the optimum is 0.7, 0.86 and 0.988", () => {
    const optimum = [1, 2, 3].map((k) => optimalAcceptance([0.5, 0.3, 0.2], [0.2, 0.5, 0.3], k));
    for (const [i, value] of [0.7, 0.86, 0.988].entries())
      expect(optimum[i]).toBeCloseTo(value, 12);
  });

  test("guesses are accepted with the sum of their probabilities, by every rule", () => {
    for (const create of [rejection, multiRound, recursiveRejection]) {
      for (const [count, rate] of [0.3, 0.5, 1].entries()) {
        const tokens = Uint32Array.of(1, 2, 0).subarray(0, count + 1);
        const { masses, accepted } = emissionOf(create(), p, { tokens, laws: null }, 3);
        expectExact(masses, p);
        expect(accepted).toBeCloseTo(rate, 9);
      }
    }
  });

  test("sample-match finds the target's token among drawn siblings", () => {
    for (const [i, rate] of [0.31, 0.507, 0.63838].entries()) {
      // It accepts where the draw is among the siblings: 1 - sum_x p(x) (1 - q(x))^k.
      const found =
        1 -
        [0, 1, 2].reduce(
          (sum, id) => sum + probabilityOf(p, id) * (1 - probabilityOf(q, id)) ** (i + 1),
          0,
        );
      expect(found).toBeCloseTo(rate, 2);
      expectExact(nodeLaw(sampleMatch(), p, q, i + 1, false, 3).masses, p);
    }
  });
});

describe("any pair of laws, up to six tokens and three siblings, zeros on either side", () => {
  const weights = fc
    .array(fc.nat(6), { minLength: 3, maxLength: 6 })
    .filter((list) => list.some((weight) => weight > 0));
  const pair = weights.chain((list) =>
    fc.tuple(
      fc.constant(list),
      fc
        .array(fc.nat(6), { minLength: list.length, maxLength: list.length })
        .filter((other) => other.some((weight) => weight > 0)),
    ),
  );
  const normalized = (list: readonly number[]): number[] => {
    const total = list.reduce((a, b) => a + b);
    return list.map((weight) => weight / total);
  };

  test("sampleMatch is exact, and rejection of one draw accepts the overlap", () => {
    fc.assert(
      fc.property(pair, fc.integer({ min: 1, max: 3 }), ([a, b], count) => {
        const [target, draft] = [lawOf(a), lawOf(b)];
        expectExact(nodeLaw(sampleMatch(), target, draft, count, false, a.length).masses, target);
        const { masses, accepted } = nodeLaw(rejection(), target, draft, 1, false, a.length);
        expectExact(masses, target);
        const overlap = normalized(a).reduce((s, w, i) => s + Math.min(w, normalized(b)[i]!), 0);
        expect(accepted).toBeCloseTo(overlap, 9);
      }),
      { seed: 9, numRuns: 30 },
    );
  });

  test("guesses are checked exactly by every rule, repeated and impossible ones too", () => {
    const guesses = fc.array(fc.nat(5), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(weights, guesses, (list, drawn) => {
        const target = lawOf(list);
        const tokens = Uint32Array.from(drawn, (id) => id % list.length);
        const hit = [...new Set(tokens)].reduce((s, id) => s + probabilityOf(target, id), 0);
        for (const create of [sampleMatch, rejection, multiRound, recursiveRejection]) {
          const { masses, accepted } = emissionOf(
            create(),
            target,
            { tokens, laws: null },
            list.length,
          );
          expectExact(masses, target);
          expect(accepted).toBeCloseTo(create === sampleMatch ? 0 : hit, 9);
        }
      }),
      { seed: 10, numRuns: 40 },
    );
  });

  test("greedy and gumbelCoupled choose what they choose without a draft", () => {
    const random = philox(5);
    fc.assert(
      fc.property(weights, fc.array(fc.nat(2), { maxLength: 3 }), fc.nat(500), (list, ids, t) => {
        const target = lawOf(list);
        const draft = { tokens: Uint32Array.from(ids), laws: null };
        expect(greedy().choose(target, draft, t, random)).toBe(list.indexOf(Math.max(...list)));
        // The largest ln p + g, by the definition.
        const scores = list.map((weight, id) => {
          const u = random.uniform(t, randomStream.gumbel, id);
          return Math.log(weight) - Math.log(-Math.log(u));
        });
        const best = scores.indexOf(Math.max(...scores));
        expect(gumbelCoupled().choose(target, draft, t, random)).toBe(best);
      }),
      { seed: 11, numRuns: 300 },
    );
  });

  const rules: [string, () => Verifier, boolean][] = [
    ["multiRound", multiRound, false],
    ["kSeq", kSeq, false],
    ["recursiveRejection", recursiveRejection, true],
  ];
  for (const [name, create, distinct] of rules) {
    test(`${name} is exact and accepts no more than can be`, () => {
      fc.assert(
        fc.property(pair, fc.integer({ min: 1, max: 3 }), ([a, b], wanted) => {
          const [target, draft] = [lawOf(a), lawOf(b)];
          const count = distinct ? Math.min(wanted, draft.size) : wanted;
          const { masses, accepted } = nodeLaw(create(), target, draft, count, distinct, a.length);
          expectExact(masses, target);
          const one = normalized(a).reduce((s, w, i) => s + Math.min(w, normalized(b)[i]!), 0);
          expect(accepted).toBeGreaterThan(one - 1e-9);
          // The optimum for independent draws bounds nothing for distinct ones.
          const most = distinct ? 1 : optimalAcceptance(normalized(a), normalized(b), count);
          expect(accepted).toBeLessThan(most + 1e-9);
          const least = name === "kSeq" ? (1 - 1 / Math.E) * most : 0;
          expect(accepted).toBeGreaterThan(least - 1e-9);
        }),
        { seed: 5, numRuns: 40 },
      );
    });
  }

  test("siblings of different laws are exact too", () => {
    const other = lawOf([4, 1, 5]);
    const masses = [0, 0, 0];
    for (const x of [0, 1, 2]) {
      for (const y of [0, 1, 2]) {
        const mass = probabilityOf(q, x) * probabilityOf(other, y);
        const candidates = { tokens: Uint32Array.of(x, y), laws: [q, other] };
        const one = emissionOf(multiRound(), p, candidates, 3).masses;
        for (const [id, share] of one.entries()) masses[id]! += mass * share;
      }
    }
    expectExact(masses, p);
  });

  test("laws that temperature, top-k and top-p have warped", () => {
    const logits = [Float32Array.of(1, 0.5, 2, -1, 0, 1.5), Float32Array.of(0, 1, 1.5, 0.5, 2, -2)];
    for (const options of [
      { temperature: 0.6, topP: 0.8 },
      { temperature: 1.4, topK: 4 },
    ]) {
      const sampler = createSampler(options, 6);
      const [target, draft] = logits.map((data) => {
        const output = { logits: { data, rows: 1, cols: 6 }, top: null, taps: [], runMs: 0 };
        return copyLaw(sampler.law(output, 0, 0));
      });
      expectExact(nodeLaw(rejection(), target!, draft!, 1, false, 6).masses, target!);
      for (const [, create, distinct] of [...rules, ["", sampleMatch, false] as const]) {
        for (const count of [1, 2, 3]) {
          const siblings = Math.min(count, draft!.size);
          const { masses } = nodeLaw(create(), target!, draft!, siblings, distinct, 6);
          expectExact(masses, target!);
        }
      }
    }
  });
});

describe("corner cases", () => {
  const refusesWith = (verifier: Verifier, tokens: number[], laws: Law[] | null, code: string) => {
    const candidates = { tokens: Uint32Array.from(tokens), laws };
    const choose = () => verifier.choose(lawOf([1, 0, 0]), candidates, 4, philox(0));
    expect(choose).toThrow(
      expect.toSatisfy((error: unknown) => InferenceError.is(error, code as "state")),
    );
  };

  test("a token that its law excludes, or that was drawn before, is an error", () => {
    const half = lawOf([0, 1, 1]);
    for (const create of [multiRound, kSeq, recursiveRejection]) {
      refusesWith(create(), [0], [half], "state");
    }
    refusesWith(recursiveRejection(), [1, 1], [half, half], "state");
    refusesWith(kSeq(), [1], null, "unsupported");
    expect(() => kSeq({ rho: 0.5 })).toThrow('rho: expected "optimal" or a number >= 1, got 0.5');
  });

  test("no candidates: the draw of the position", () => {
    const none = { tokens: new Uint32Array(0), laws: null };
    const expected = sampleMatch().choose(p, none, 9, philox(3));
    for (const create of [multiRound, kSeq, recursiveRejection, rejection]) {
      expect(create().choose(p, none, 9, philox(3))).toBe(expected);
    }
  });

  test("disjoint supports: nothing is accepted, the text is the target's", () => {
    const [a, b] = [lawOf([1, 3, 0, 0]), lawOf([0, 0, 1, 1])];
    for (const [create, distinct] of [
      [multiRound, false],
      [kSeq, false],
      [recursiveRejection, true],
    ] as const) {
      const { masses, accepted } = nodeLaw(create(), a, b, 2, distinct, 4);
      expect(accepted).toBe(0);
      expectExact(masses, a);
    }
  });
});

describe("gumbelCoupled", () => {
  const uniforms = 40_000;

  test("draws from the law, and a draft with the same noise agrees as the closed form says", () => {
    const random = philox(11);
    const counts = [0, 0, 0];
    let same = 0;
    const none = { tokens: new Uint32Array(0), laws: null };
    const verifier = gumbelCoupled();
    for (let t = 0; t < uniforms; t++) {
      const token = verifier.choose(p, none, t, random);
      counts[token]!++;
      if (verifier.choose(q, none, t, random) === token) same++;
    }
    let rate = 0;
    for (const i of [0, 1, 2]) {
      const ratio = (j: number): number =>
        Math.max(
          probabilityOf(p, j) / probabilityOf(p, i),
          probabilityOf(q, j) / probabilityOf(q, i),
        );
      rate += 1 / [0, 1, 2].reduce((sum, j) => sum + ratio(j), 0);
    }
    expect(rate).toBeCloseTo(0.6935, 4);
    expect(rate).toBeGreaterThan((1 - 0.3) / (1 + 0.3));
    expect(Math.abs(same / uniforms - rate)).toBeLessThan(5 * Math.sqrt(0.25 / uniforms));
    const chi = counts.reduce((sum, count, id) => {
      const expected = uniforms * probabilityOf(p, id);
      return sum + (count - expected) ** 2 / expected;
    }, 0);
    expect(chi).toBeLessThan(13.8);
  });

  test("noise belongs to the id: a truncated law draws what the whole one does, if that is left", () => {
    const random = philox(12);
    const whole = lawOf([4, 3, 2, 1, 5]);
    const cut = lawOf([4, 0, 2, 0, 5]);
    const none = { tokens: new Uint32Array(0), laws: null };
    for (let t = 0; t < 500; t++) {
      const token = gumbelCoupled().choose(whole, none, t, random);
      const left = token % 2 === 0 ? [token] : [0, 2, 4];
      expect(left).toContain(gumbelCoupled().choose(cut, none, t, random));
    }
  });

  test("the golden run", () => {
    const rows = [lawOf([5, 3, 2]), lawOf([1, 6, 3]), lawOf([3, 3, 4])];
    const random = philox(42);
    const none = { tokens: new Uint32Array(0), laws: null };
    const text = [0];
    for (let t = 1; t <= 8; t++) {
      text.push(gumbelCoupled().choose(rows[text.at(-1)!]!, none, t, random));
    }
    expect(text).toEqual([0, 2, 2, 1, 0, 0, 1, 1, 0]);
  });
});
