import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { constantLength, type Drafter, draftModel, jacobi, tokenRecycling } from "../src/index.ts";
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

  /** Guesses a step too far after every token, so that no guess is ever right. */
  const wrongBy = (shift: number): Drafter => ({
    kinds: ["point"],
    propose: ({ history, maxTokens }) => {
      const last = history.at(history.length - 1);
      return {
        tokens: Uint32Array.from({ length: maxTokens }, (_, i) => (last + i + 1 + shift) % 9),
        runMs: 0,
      };
    },
  });
  const counting = () =>
    markovSequence({
      vocabSize: 9,
      rule: (cached) =>
        Float32Array.from({ length: 9 }, (_, id) => (id === (cached.at(-1)! + 1) % 9 ? 1 : 0)),
    });

  test("takes as many steps as tokens from the worst start, each of which is then wrong for good", async () => {
    for (const [shift, steps] of [
      [3, 20],
      // The prompt's step, and four that yield five tokens but for the last.
      [0, 5],
    ] as const) {
      const { tokens, last } = await run(counting(), [1], {
        maxTokens: 20,
        drafter: jacobi({ block: 4, init: wrongBy(shift) }),
        draftLength: constantLength(4),
      });
      expect(tokens).toEqual(Array.from({ length: 20 }, (_, i) => (i + 2) % 9));
      expect(last.stats.targetSteps).toBe(steps);
    }
  });

  test("begins with the draft of a drafter, of a tree its best chain, and learns for it", async () => {
    const small = () => markovSequence({ vocabSize: 9, rule: hashRule(9, 3), tree: true });
    const text = [2, 5];
    const [own, inner] = await Promise.all(
      [jacobi({ block: 4, init: draftModel(small()) }), draftModel(small())].map((drafter) =>
        propose(drafter, text, 4),
      ),
    );
    expect(own!.tokens).toEqual(inner!.tokens);
    const tree: Drafter = {
      kinds: ["point"],
      propose: () => ({
        tokens: Uint32Array.of(7, 8, 3),
        parents: Int32Array.of(-1, -1, 1),
        scores: Float32Array.of(0.6, 0.5, 0.9),
        runMs: 2,
      }),
    };
    const drafted = await propose(jacobi({ block: 4, init: tree }), text, 4);
    expect([[...drafted.tokens], drafted.runMs]).toEqual([[8, 3, 3, 3], 2]);
    await expectEqualTexts(() => jacobi({ init: draftModel(small()) }), 40, { vocabSize: 9 });
    await expectEqualTexts(() => jacobi({ init: tokenRecycling({ vocabSize: 9 }) }), 40, {
      vocabSize: 9,
    });
  });

  test("does not change the text", async () => {
    const drafter = jacobi();
    expect(await expectEqualTexts(() => drafter)).toBeGreaterThan(10);
    await expectEqualTexts(() => jacobi({ init: "text", block: 3 }));
  });

  test("takes no drafter that only draws", () => {
    const drawn = { ...wrongBy(0), kinds: ["sampled"] as const };
    expect(() => jacobi({ init: drawn })).toThrow("init: expected a drafter of kind point");
  });

  test("rejects options outside their intervals", () => {
    for (const options of [{ block: 0 }, { block: 257 }, { init: "prompt" as "text" }]) {
      expect(() => jacobi(options)).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, "range")),
      );
    }
  });
});
