import { describe, expect, test } from "vitest";

import { constantLength, draftModel, heuristicLength } from "../src/index.ts";
import { hashRule, markovSequence } from "./markov-model.ts";
import { run } from "./run.ts";

describe("heuristicLength", () => {
  test("grows by two, shrinks by one, and stays at least one", () => {
    const length = heuristicLength(3);
    const after = (drafted: number, accepted: number, cut = false): number => {
      length.observe({ drafted, accepted, cut, targetMs: 1, draftMs: 1 });
      return length.next(99);
    };
    expect(length.next(99)).toBe(3);
    expect(length.next(2)).toBe(2);
    expect(after(3, 3)).toBe(5);
    expect(after(5, 4)).toBe(4);
    expect(after(0, 0)).toBe(4);
    expect(after(4, 1, true)).toBe(4);
    expect([after(4, 0), after(3, 0), after(2, 0), after(1, 0)]).toEqual([3, 2, 1, 1]);
    expect(() => heuristicLength(0)).toThrow("first: expected an integer >= 1, got 0");
  });
});

describe("minConfidence", () => {
  const target = (): ReturnType<typeof markovSequence> =>
    markovSequence({ vocabSize: 12, rule: hashRule(12, 5, 2, 2), top: true });
  const small = (): ReturnType<typeof markovSequence> =>
    markovSequence({ vocabSize: 12, rule: hashRule(12, 5, 2), top: true });
  const options = { temperature: 0.8, topK: 8, seed: 3, maxTokens: 60 };

  test("ends drafts after an unsure token, and leaves the text as it is", async () => {
    const plain = await run(target(), [1, 2], options);
    let drafted = Infinity;
    for (const minConfidence of [0, 0.3, 0.6, 0.99]) {
      const { tokens, last } = await run(target(), [1, 2], {
        ...options,
        drafter: draftModel(small(), { minConfidence }),
        draftLength: constantLength(6),
      });
      expect(tokens).toEqual(plain.tokens);
      expect(last.stats.drafted).toBeLessThan(drafted);
      drafted = last.stats.drafted;
    }
    // One token per step is left: it is drawn before the next law is looked at.
    expect(drafted).toBeLessThanOrEqual(60);
    expect(() => draftModel(small(), { minConfidence: 1 })).toThrow("minConfidence: expected");
  });
});
