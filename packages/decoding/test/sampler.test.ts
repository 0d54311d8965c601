import { InferenceError, type StepOutput } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  copyLaw,
  createSampler,
  drawFromLaw,
  type Law,
  probabilityOf,
  type SamplingOptions,
} from "../src/index.ts";

const worked = [2, 1, 0, -1, -2];

const full = (row: readonly number[]): StepOutput => ({
  logits: { data: Float32Array.from(row), rows: 1, cols: row.length },
  top: null,
  taps: [],
  runMs: 0,
});

const reduced = (row: readonly number[], k: number): StepOutput => {
  const values = Float32Array.from(row);
  const order = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b).slice(0, k);
  const ids = Uint32Array.from(order);
  const top = {
    rows: 1,
    k: ids.length,
    ids,
    values: Float32Array.from(order, (id) => values[id]!),
    logSumExp: Float32Array.of(Math.log(values.reduce((sum, x) => sum + Math.exp(x), 0))),
  };
  return { logits: null, top, taps: [], runMs: 0 };
};

const lawOf = (row: readonly number[], options: SamplingOptions, seen: number[] = []): Law => {
  const sampler = createSampler(options, row.length);
  for (const token of seen) sampler.push(token);
  return copyLaw(sampler.law(full(row), 0, 0));
};

const support = (law: Law): number[] => [...law.ids.subarray(0, law.size)];
const probabilities = (law: Law, n: number): number[] =>
  Array.from({ length: n }, (_, id) => probabilityOf(law, id));

const expectClose = (actual: readonly number[], expected: readonly number[]): void => {
  expect(actual).toHaveLength(expected.length);
  for (const [i, x] of expected.entries()) expect(actual[i]).toBeCloseTo(x, 6);
};

describe("createSampler", () => {
  test("temperature", () => {
    for (const [temperature, expected] of [
      [0.5, [0.864704, 0.117025, 0.015838, 0.002143, 0.00029]],
      [1, [0.636409, 0.234122, 0.086129, 0.031685, 0.011656]],
      [2, [0.428656, 0.259993, 0.157694, 0.095646, 0.058012]],
    ] as const) {
      expectClose(probabilities(lawOf(worked, { temperature }), 5), expected);
    }
  });

  test("temperature 0 is the lowest of the largest", () => {
    expect(support(lawOf([1, 3, 3], {}))).toEqual([1]);
    expect(support(lawOf([1, 3, 3], { logitBias: new Map([[2, 1]]) }))).toEqual([2]);
  });

  test("top-k, ties to the lower id", () => {
    expect(support(lawOf(worked, { temperature: 1, topK: 2 }))).toEqual([0, 1]);
    expect(support(lawOf([1, 2, 1, 1], { temperature: 1, topK: 3 }))).toEqual([0, 1, 2]);
    expect(support(lawOf([1, 1, 1], { temperature: 1, topK: 99 }))).toEqual([0, 1, 2]);
  });

  test("top-p keeps the shortest prefix that reaches it", () => {
    const nucleus = (topP: number) => support(lawOf(worked, { temperature: 1, topP }));
    expect(nucleus(0.6)).toEqual([0]);
    expect(nucleus(0.7)).toEqual([0, 1]);
    expect(nucleus(0.9)).toEqual([0, 1, 2]);
    expect(nucleus(1e-9)).toEqual([0]);
    expect(support(lawOf([0, 0, 0, 0], { temperature: 1, topP: 0.5 }))).toEqual([0, 1]);
  });

  test("min-p keeps a share of the largest", () => {
    expect(support(lawOf(worked, { temperature: 1, minP: 0.1 }))).toEqual([0, 1, 2]);
    expect(support(lawOf(worked, { temperature: 1, minP: 0.2 }))).toEqual([0, 1]);
    expect(support(lawOf([0, 0], { temperature: 1, minP: 1 }))).toEqual([0, 1]);
  });

  test("each stage renormalises for the next", () => {
    // Of the top two, 0.731 and 0.269, the first alone reaches 0.7.
    expect(support(lawOf(worked, { temperature: 1, topK: 2, topP: 0.7 }))).toEqual([0]);
  });

  test("penalties", () => {
    const logOf = (options: SamplingOptions, seen: number[]): number[] => {
      const law = lawOf(worked, { temperature: 1, ...options }, seen);
      const p = probabilities(law, 5).map((x) => Math.log(x));
      // Anchored at id 1, which no case touches.
      return p.map((x) => x - p[1]! + 1);
    };
    expectClose(logOf({ repetitionPenalty: 1.3 }, [0, 3]), [1.538462, 1, 0, -1.3, -2]);
    expectClose(logOf({ repetitionPenalty: 1.3 }, [0, 0, 3]), [1.538462, 1, 0, -1.3, -2]);
    const both = { frequencyPenalty: 0.5, presencePenalty: 0.2 };
    expectClose(logOf(both, [0, 0, 3]), [0.8, 1, 0, -1.7, -2]);
    const last = { ...both, penaltyScope: { window: 2 } };
    expectClose(logOf(last, [4, 4, 0, 3]), [1.3, 1, 0, -1.7, -2]);
  });

  test("logit bias moves and bans, before the penalties", () => {
    const banned = lawOf(worked, { temperature: 1, logitBias: new Map([[0, -Infinity]]) });
    expect(probabilityOf(banned, 0)).toBe(0);
    const options = { temperature: 1, repetitionPenalty: 2, logitBias: new Map([[3, 3]]) };
    const law = lawOf(worked, options, [3]);
    expect(Math.log(probabilityOf(law, 3) / probabilityOf(law, 1))).toBeCloseTo(0, 6);
  });

  test("pop undoes push, in a window too", () => {
    const options = { temperature: 1, frequencyPenalty: 0.3, penaltyScope: { window: 2 } };
    const sampler = createSampler(options, 5);
    for (const token of [0, 1, 2]) sampler.push(token);
    const before = copyLaw(sampler.law(full(worked), 0, 0));
    for (const token of [3, 3, 4]) sampler.push(token);
    for (let i = 0; i < 3; i++) sampler.pop();
    expect(copyLaw(sampler.law(full(worked), 0, 0))).toEqual(before);
  });

  test("names the id and the position of a logit it cannot use", () => {
    for (const options of [{}, { temperature: 1 }, { temperature: 1, topK: 2 }]) {
      for (const bad of [Number.NaN, Infinity]) {
        const sampler = createSampler(options, 3);
        expect(() => sampler.law(full([0, bad, 1]), 0, 33)).toThrow(
          `got ${bad} for id 1 at position 33`,
        );
      }
    }
    const sampler = createSampler({}, 3);
    expect(() => sampler.law(reduced([0, Number.NaN, 1], 1), 0, 5)).toThrow(
      expect.toSatisfy((error: unknown) => InferenceError.is(error, "backend")),
    );
  });

  test("says which stage left nothing", () => {
    const nothing = [-Infinity, -Infinity];
    expect(() => lawOf(nothing, { temperature: 1 })).toThrow("the model: expected at least one");
    const ban = new Map([
      [0, -Infinity],
      [1, -Infinity],
    ]);
    expect(() => lawOf([0, 1], { logitBias: ban })).toThrow("logit bias and penalties: expected");
  });

  test.for([
    [{ temperature: -1 }, "temperature"],
    [{ temperature: Number.NaN }, "temperature"],
    [{ topK: 0 }, "topK"],
    [{ topK: 1.5 }, "topK"],
    [{ topP: 0 }, "topP"],
    [{ topP: 1.01 }, "topP"],
    [{ minP: -0.1 }, "minP"],
    [{ repetitionPenalty: 0 }, "repetitionPenalty"],
    [{ presencePenalty: Infinity }, "presencePenalty"],
    [{ frequencyPenalty: Number.NaN }, "frequencyPenalty"],
    [{ penaltyScope: { window: 0 } }, "penaltyScope.window"],
    [{ logitBias: new Map([[5, 1]]) }, "logitBias"],
    [{ logitBias: new Map([[0, Infinity]]) }, "logitBias"],
  ] as const)("rejects %o", ([options, name]) => {
    expect(() => createSampler(options, 5)).toThrow(`${name}: expected`);
  });
});

/** The stages as their definitions read, without any shortcut. */
function naiveSupport(row: readonly number[], o: Required<NaiveOptions>): number[] {
  const order = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, o.topK);
  const weights = order.map((id) => Math.exp((row[id]! - row[order[0]!]!) / o.temperature));
  // Summed by ascending id, as ours is: an exact tie with top-p must round the same way.
  const byId = [...order.keys()].sort((a, b) => order[a]! - order[b]!);
  const total = byId.reduce((sum, i) => sum + weights[i]!, 0);
  let kept = 0;
  for (let sum = 0; kept < order.length && (o.topP === 1 || sum < o.topP * total); kept++)
    sum += weights[kept]!;
  return order
    .slice(0, kept)
    .filter((_, i) => weights[i]! >= o.minP)
    .sort((a, b) => a - b);
}

interface NaiveOptions {
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
}

describe("createSampler, for any row", () => {
  const row = fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 1, maxLength: 40 });
  const options = fc.record({
    temperature: fc.constantFrom(0.3, 1, 2.5),
    topK: fc.integer({ min: 1, max: 45 }),
    topP: fc.constantFrom(0.05, 0.31, 0.5, 0.77, 0.93, 1),
    minP: fc.constantFrom(0, 0.01, 0.3),
  });

  test("keeps what the definitions keep", () => {
    fc.assert(
      fc.property(row, options, (values, o) => {
        expect(support(lawOf(values, o))).toEqual(naiveSupport(values, o));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test("finds the top of a long row", () => {
    const long = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 200, maxLength: 400 });
    const few = fc.record({ temperature: fc.constant(1), topK: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(long, few, (values, o) => {
        expect(support(lawOf(values, o))).toEqual(naiveSupport(values, { ...o, topP: 1, minP: 0 }));
      }),
      { seed: 4, numRuns: 100 },
    );
  });

  test("gives bit for bit the same law for a reduced row", () => {
    fc.assert(
      fc.property(row, options, fc.nat(5), (values, o, extra) => {
        const sampler = createSampler(o, values.length);
        const k = Math.min(values.length, o.topK + extra);
        expect(copyLaw(sampler.law(reduced(values, k), 0, 0))).toEqual(lawOf(values, o));
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  test("a draw is the inverse of the cumulative distribution", () => {
    fc.assert(
      fc.property(
        row,
        options,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (values, o, u) => {
          const law = lawOf(values, o);
          const token = drawFromLaw(law, u);
          let below = 0;
          for (let id = 0; id < token; id++) below += probabilityOf(law, id);
          expect(below).toBeLessThanOrEqual(u + 1e-12);
          expect(below + probabilityOf(law, token)).toBeGreaterThan(u - 1e-12);
          expect(support(law)).toContain(token);
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });

  test("leaves its input untouched", () => {
    fc.assert(
      fc.property(row, options, (values, o) => {
        const output = full(values);
        createSampler({ ...o, presencePenalty: 1 }, values.length).law(output, 0, 0);
        expect([...output.logits!.data]).toEqual(values);
      }),
    );
  });
});
