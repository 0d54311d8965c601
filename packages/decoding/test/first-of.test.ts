import { describe, expect, test } from "vitest";

import { firstOf, ngramHash, promptLookup, type VerifiedBlock } from "../src/index.ts";
import { expectEqualTexts } from "./equal-text.ts";
import { propose } from "./propose.ts";

describe("firstOf", () => {
  const fixed = (tokens: number[], more = {}) => ({
    kinds: ["point"] as const,
    propose: () => ({ tokens: Uint32Array.from(tokens), runMs: 2, ...more }),
  });

  test("takes the first draft that is not empty, and counts the time of all it asked", async () => {
    const drafter = firstOf(fixed([]), fixed([4, 5], { prefillMs: 1 }), fixed([6]));
    const { tokens, runMs, prefillMs } = await propose(drafter, [1], 2);
    expect({ tokens: [...tokens], runMs, prefillMs }).toEqual({
      tokens: [4, 5],
      runMs: 4,
      prefillMs: 1,
    });
    expect((await propose(firstOf(fixed([])), [1], 2)).tokens).toHaveLength(0);
  });

  test("has the kinds and the vocabulary that its drafters share", () => {
    const sampled = { ...fixed([1]), kinds: ["sampled", "point"] as const, vocabSize: 9 };
    expect(firstOf(sampled, fixed([1])).kinds).toEqual(["point"]);
    expect(firstOf(fixed([1]), sampled).vocabSize).toBe(9);
    expect(() => firstOf(fixed([1]), { ...sampled, kinds: ["sampled"] })).toThrow(
      "drafters: expected a kind in common, got point, sampled",
    );
    expect(() => firstOf(sampled, { ...sampled, vocabSize: 8 })).toThrow(
      "drafters: expected one vocabulary, got sizes 9 and 8",
    );
    expect(() => firstOf()).toThrow("drafters: expected at least one, got none");
  });

  test("lets all who want to learn see every block", () => {
    const seen: string[] = [];
    const learner = (name: string, top: number) => ({
      ...fixed([]),
      wants: { top },
      observe: () => seen.push(name),
    });
    const drafter = firstOf(learner("a", 3), fixed([1]), learner("b", 8));
    expect(drafter.wants).toEqual({ top: 8, taps: [] });
    drafter.observe!({ taps: [] } as unknown as VerifiedBlock);
    expect(seen).toEqual(["a", "b"]);
  });

  test("does not change the text", async () => {
    const make = () => firstOf(promptLookup({ minNgram: 3 }), ngramHash({ ngram: 1 }));
    expect(await expectEqualTexts(make)).toBeGreaterThan(100);
  });
});
