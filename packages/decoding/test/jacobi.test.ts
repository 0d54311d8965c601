import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { constantLength, jacobi } from "../src/index.ts";
import { expectEqualTexts } from "./equal-text.ts";
import { hashRule, markovSequence } from "./markov-model.ts";
import { historyOf, propose } from "./propose.ts";
import { run } from "./run.ts";

/** A block whose rows found `likeliest`. */
const blockOf = (tokens: number[], likeliest: number[], path: number[]) => ({
  tokens: Uint32Array.from(tokens),
  parents: Int32Array.from(tokens, (_, i) => i - 1),
  from: 0,
  path: Uint32Array.from(path),
  next: likeliest[path.at(-1)!]!,
  top: {
    rows: likeliest.length,
    k: 1,
    ids: Uint32Array.from(likeliest),
    values: new Float32Array(likeliest.length),
  },
  taps: [],
});

describe("jacobi", () => {
  test("drafts what the model made of the last draft, moved on by what was accepted", async () => {
    const drafter = jacobi({ block: 4 });
    const history = historyOf([2, 5]);
    expect([...(await propose(drafter, history, 9)).tokens]).toEqual([5, 5, 5, 5]);
    // The first guess was right; 7 is emitted after it, and 8, 9, 1 are what comes next.
    drafter.observe!(blockOf([5, 5, 5, 5, 5], [5, 7, 8, 9, 1], [0, 1]));
    history.push(5);
    history.push(7);
    expect([...(await propose(drafter, history, 9)).tokens]).toEqual([8, 9, 1, 1]);
    // A plain step says nothing about later guesses; they stay where they are.
    drafter.observe!(blockOf([7], [3], [0]));
    history.push(3);
    expect([...(await propose(drafter, history, 2)).tokens]).toEqual([9, 1]);
    expect([...(await propose(drafter, historyOf([6]), 2, { stopIds: [6] })).tokens]).toEqual([6]);
  });

  test("begins with tokens of the text where it is told to", async () => {
    const text = [3, 8, 4];
    for (const token of (await propose(jacobi({ init: "text" }), text, 8)).tokens) {
      expect(text).toContain(token);
    }
  });

  test("accepts a whole block in every other step where the rows do not depend on the guesses", async () => {
    const rule = (cached: readonly number[]) =>
      Float32Array.from({ length: 9 }, (_, id) => (id === (cached.length * 5) % 9 ? 1 : 0));
    const { last } = await run(markovSequence({ vocabSize: 9, rule }), [1], {
      maxTokens: 101,
      drafter: jacobi({ block: 4 }),
      draftLength: constantLength(4),
    });
    // A step of fillers, which corrects them all, and one that accepts them: six tokens, and again.
    expect(last.stats.targetSteps).toBe(35);
  });

  test("yields at least one token per step, however wrong the guesses", async () => {
    for (const order of [1, 3]) {
      const rule = hashRule(30, 3, order);
      const { last } = await run(markovSequence({ vocabSize: 30, rule }), [1], {
        maxTokens: 80,
        drafter: jacobi({ init: "text" }),
        draftLength: constantLength(6),
      });
      expect(last.stats.tokens).toBe(80);
      expect(last.stats.targetSteps).toBeLessThanOrEqual(80);
    }
  });

  test("does not change the text", async () => {
    const drafter = jacobi();
    expect(await expectEqualTexts(() => drafter)).toBeGreaterThan(10);
    await expectEqualTexts(() => jacobi({ init: "text", block: 3 }));
  });

  test("rejects options outside their intervals", () => {
    for (const options of [{ block: 0 }, { block: 257 }, { init: "prompt" as "text" }]) {
      expect(() => jacobi(options)).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, "range")),
      );
    }
  });
});
