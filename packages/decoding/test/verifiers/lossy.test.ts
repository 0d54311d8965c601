import { InferenceError, philox } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  lantern,
  multiRound,
  nearestCodes,
  probabilityOf,
  typicalAcceptance,
  type Verifier,
} from "../../src/index.ts";
import { emissionOf, lawOf, nodeLaw } from "./verifier-law.ts";

const softmax = (logits: readonly number[]) => lawOf(logits.map((logit) => Math.exp(logit)));
const guess = (...tokens: number[]) => ({ tokens: Uint32Array.from(tokens), laws: null });

describe("typicalAcceptance", () => {
  const p = softmax([2, 1, 0, -1]);

  test("the golden law: entropy 0.947538, tokens 0 and 1 pass", () => {
    expect(probabilityOf(p, 0)).toBeCloseTo(0.643914, 6);
    for (const [token, passes] of [true, true, false, false].entries()) {
      const { masses } = emissionOf(typicalAcceptance(), p, guess(token), 4);
      expect(masses[token]! > 0.999).toBe(passes);
      // What does not pass is replaced by a draw from what does.
      expect(masses[0]! + masses[1]!).toBeCloseTo(1, 9);
    }
  });

  test("of several that pass the most probable one is taken", () => {
    expect(typicalAcceptance().choose(p, guess(3, 1, 0, 2), 0, philox(0))).toBe(0);
    expect(typicalAcceptance().choose(p, guess(3, 1, 2), 0, philox(0))).toBe(1);
  });

  test("with one token left it is greedy", () => {
    const greedy = lawOf([0, 0, 1]);
    for (const token of [0, 1, 2]) {
      expect(typicalAcceptance().choose(greedy, guess(token), 0, philox(0))).toBe(2);
    }
  });

  test("a larger threshold never accepts more", () => {
    for (const token of [0, 1, 2, 3]) {
      let before = 1;
      for (const epsilon of [0.01, 0.05, 0.09, 0.3, 0.7]) {
        const { masses } = emissionOf(typicalAcceptance({ epsilon, delta: 1 }), p, guess(token), 4);
        const isCertain = masses[token]! > 0.999 ? 1 : 0;
        expect(isCertain).toBeLessThanOrEqual(token === 0 ? 1 : before);
        before = isCertain;
      }
    }
  });

  test("rejects options outside their intervals", () => {
    for (const options of [{ epsilon: 0 }, { epsilon: 2 }, { delta: -1 }]) {
      expect(() => typicalAcceptance(options)).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, "range")),
      );
    }
  });
});

describe("lantern", () => {
  const p = lawOf([0.3, 0.05, 0.25, 0.2, 0.2]);
  const q = lawOf([0.1, 0.6, 0.1, 0.1, 0.1]);
  const rows = [
    [1, 2, 3, 4],
    [2, 3, 0, 4],
    [1, 0, 3, 4],
    [4, 2, 1, 0],
    [3, 2, 1, 0],
  ];
  const neighbours = { count: 4, ids: Uint32Array.from(rows.flat()) };
  const candidates = { tokens: Uint32Array.of(1), laws: [q] };

  test.for([
    [0.1, 0.05 / 0.6, null],
    [0.3, 0.5, [0.5, 0, 0, 0.25, 0.25]],
    [0.5, 0.5 / 0.6, [2 / 3, 0, 0, 0, 1 / 3]],
    [0.8, 1, null],
  ] as const)("the golden rows: delta %f accepts %f", ([delta, rate, residual]) => {
    const { masses, accepted } = emissionOf(lantern({ neighbours, delta }), p, candidates, 5);
    expect(accepted).toBeCloseTo(rate, 9);
    for (const [id, share] of (residual ?? []).entries()) {
      expect(masses[id]! - (id === 1 ? accepted : 0)).toBeCloseTo((1 - rate) * share, 9);
    }
  });

  test("lambda bounds what is borrowed by the token's own probability", () => {
    const rate = (lambda: number) =>
      emissionOf(lantern({ neighbours, lambda }), p, candidates, 5).accepted;
    expect(rate(4.9)).toBeCloseTo(0.05 / 0.6, 9);
    expect(rate(5)).toBeCloseTo(0.3 / 0.6, 9);
  });

  test("without borrowing it is multi-round verification", () => {
    for (const count of [1, 2, 3]) {
      const lossless = nodeLaw(multiRound(), p, q, count, false, 5);
      const none = nodeLaw(lantern({ neighbours, delta: 0 }), p, q, count, false, 5);
      for (const [id, mass] of lossless.masses.entries()) {
        expect(none.masses[id]).toBeCloseTo(mass, 9);
      }
      expect(none.accepted).toBeCloseTo(lossless.accepted, 9);
    }
  });

  test("accepts more the more may be borrowed, and stays within delta for a guess", () => {
    const weights = fc
      .array(fc.nat(6), { minLength: 5, maxLength: 5 })
      .filter((list) => list.some((weight) => weight > 0));
    fc.assert(
      fc.property(weights, fc.nat(4), (list, token) => {
        const law = lawOf(list);
        let before = -1;
        for (const delta of [0, 0.1, 0.3, 0.6, 1]) {
          const { masses, accepted } = emissionOf(
            lantern({ neighbours, delta }),
            law,
            guess(token),
            5,
          );
          expect(accepted).toBeGreaterThan(before - 1e-9);
          before = accepted;
          const apart = masses.reduce(
            (sum, mass, id) => sum + Math.abs(mass - probabilityOf(law, id)),
            0,
          );
          expect(apart / 2).toBeLessThan(delta + 1e-9);
        }
      }),
      { seed: 6, numRuns: 60 },
    );
  });

  /** What `token` is checked against, by the definition. */
  const lent = (law: number[], token: number, most: number): number[] => {
    const changed = [...law];
    let borrowed = 0;
    for (const other of law[token]! > 0 ? rows[token]! : []) {
      if (borrowed + law[other]! > most) break;
      borrowed += law[other]!;
      changed[other] = 0;
    }
    changed[token]! += borrowed;
    return changed;
  };
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
  const dyadic = fc
    .array(fc.nat(4), { minLength: 5, maxLength: 5 })
    .map((list) => [...list.slice(1), 32 - sum(list.slice(1))].map((weight) => weight / 32));

  test("checks a drawn token against a law within delta, or lambda, of the target's", () => {
    const options = fc.constantFrom<{ delta?: number; lambda?: number }>(
      { delta: 0.125 },
      { delta: 0.5 },
      { lambda: 0.5 },
      { lambda: 3 },
    );
    fc.assert(
      fc.property(dyadic, dyadic, fc.nat(4), options, (target, draft, token, bound) => {
        fc.pre(draft[token]! > 0);
        const most = bound.delta ?? bound.lambda! * target[token]!;
        const changed = lent(target, token, most);
        expect(sum(changed.map((mass, id) => Math.abs(mass - target[id]!))) / 2).toBeLessThan(
          most + 1e-12,
        );
        const drawn = { tokens: Uint32Array.of(token), laws: [lawOf(draft)] };
        const verifier = lantern({ neighbours, ...bound });
        const { masses, accepted } = emissionOf(verifier, lawOf(target), drawn, 5);
        const rate = Math.min(1, changed[token]! / draft[token]!);
        expect(accepted).toBeCloseTo(rate, 9);
        const excess = changed.map((mass, id) => Math.max(0, mass - draft[id]!));
        for (const [id, mass] of masses.entries()) {
          const residual = rate < 1 ? ((1 - rate) * excess[id]!) / sum(excess) : 0;
          expect(mass).toBeCloseTo(residual + (id === token ? accepted : 0), 8);
        }
      }),
      { seed: 7, numRuns: 100 },
    );
  });

  test("what is emitted may be farther: every drawn token borrows for itself", () => {
    const even = lawOf([1, 1, 1, 1, 1]);
    const { masses } = nodeLaw(
      lantern({ neighbours, delta: 0.2 }),
      even,
      lawOf([1, 1, 0, 0, 0]),
      1,
      false,
      5,
    );
    expect(masses[0]! + masses[1]!).toBeCloseTo(0.8, 9);
  });

  test("greedily it accepts what is most probable with what it borrows", () => {
    const verifier = (delta: number) => lantern({ neighbours, delta, greedy: true });
    const never = { uniform: () => Number.NaN };
    // 0 has 0.3; 1 has 0.05, with its first neighbour as much as 0, with the second one half.
    expect(verifier(0.5).choose(p, guess(1), 0, never)).toBe(1);
    expect(verifier(0.3).choose(p, guess(1), 0, never)).toBe(0);
    expect(verifier(0.2).choose(p, guess(1), 0, never)).toBe(0);
    expect(verifier(0.2).choose(p, guess(1, 0), 0, never)).toBe(0);
    expect(verifier(0.2).choose(p, guess(), 0, never)).toBe(0);
    fc.assert(
      fc.property(dyadic, fc.nat(4), fc.constantFrom(0, 0.125, 0.5, 1), (law, token, delta) => {
        const chosen = verifier(delta).choose(lawOf(law), guess(token), 0, never);
        const changed = lent(law, token, delta);
        const isBest = changed.indexOf(Math.max(...changed)) === token;
        expect(chosen).toBe(isBest ? token : law.indexOf(Math.max(...law)));
      }),
      { seed: 8, numRuns: 200 },
    );
  });

  test("rejects options outside their intervals, and a table that is too short", () => {
    for (const bad of [{ delta: -0.1 }, { delta: 1.1 }, { lambda: -1 }]) {
      expect(() => lantern({ neighbours, ...bad })).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, "range")),
      );
    }
    const short = lantern({ neighbours: { count: 4, ids: neighbours.ids.subarray(0, 4) } });
    expect(() => short.choose(p, candidates, 0, philox(0))).toThrow(
      "neighbours: expected a row for token 1, got none",
    );
  });
});

describe("nearestCodes", () => {
  test("lists the other rows by distance, ties to the lower id", () => {
    const codebook = { data: Float32Array.of(0, 1, 3, -1, 1), rows: 5, cols: 1 };
    const { count, ids } = nearestCodes(codebook, 3);
    expect(count).toBe(3);
    const rows = Array.from({ length: 5 }, (_, i) => [...ids.subarray(3 * i, 3 * i + 3)]);
    expect(rows).toEqual([
      [1, 3, 4],
      [4, 0, 2],
      [1, 4, 0],
      [0, 1, 4],
      [1, 0, 2],
    ]);
  });

  test("rejects a count that is not below the number of rows", () => {
    const codebook = { data: Float32Array.of(0, 1), rows: 2, cols: 1 };
    expect(() => nearestCodes(codebook, 2)).toThrow("count: expected an integer in [0, 2), got 2");
  });
});

test("lossy is part of the type", () => {
  const table = { count: 0, ids: new Uint32Array(0) };
  const lossy: Verifier<false>[] = [typicalAcceptance(), lantern({ neighbours: table })];
  expect(lossy.some((verifier) => verifier.lossless)).toBe(false);
});
