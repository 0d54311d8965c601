import { describe, expect, test } from "vitest";

import { NgramPool } from "../src/drafters/ngram-pool.ts";
import { lookahead, treeMask } from "../src/index.ts";
import { expectEqualTexts } from "./equal-text.ts";
import { hashRule, markovSequence } from "./markov-model.ts";
import { historyOf, propose } from "./propose.ts";
import { run } from "./run.ts";

/** What a model finds likeliest after every row of a draft: the token and its depth, as one number. */
const blockOf = (draft: { tokens: Uint32Array; parents?: Int32Array }, root: number) => {
  const tokens = [root, ...draft.tokens];
  const parents = [-1, ...Array.from(draft.parents!, (parent) => parent + 1)];
  return {
    tokens: Uint32Array.from(tokens),
    parents: Int32Array.from(parents),
    path: Uint32Array.of(0),
    from: 0,
    taps: [],
    next: root + 10,
    top: {
      rows: tokens.length,
      k: 1,
      ids: Uint32Array.from(tokens, (token) => token + 10),
      values: new Float32Array(tokens.length),
    },
  };
};

describe("the pool", () => {
  test("keeps the last ones of a key, and one that comes again is new", () => {
    const pool = new NgramPool(3, 2);
    pool.add([1, 2, 3]);
    pool.add([1, 4, 5]);
    pool.add([2, 9, 9]);
    expect(pool.after(1).map(String)).toEqual(["1,4,5", "1,2,3"]);
    pool.add([1, 2, 3]);
    pool.add([1, 6, 7]);
    expect(pool.after(1).map(String)).toEqual(["1,6,7", "1,2,3"]);
    expect(pool.after(2).map(String)).toEqual(["2,9,9"]);
    expect(pool.after(3)).toEqual([]);
  });
});

describe("lookahead", () => {
  test("has the known window: 3 columns, 2 levels, then a guess", async () => {
    const drafter = lookahead({ window: 3, level: 3, guesses: 2, prompt: false });
    const history = historyOf([7]);
    const more = { tree: true, maxDepth: 9 };
    // Level 0 begins with tokens of the text.
    const first = await propose(drafter, history, 9, more);
    expect([...first.tokens]).toEqual([7, 7]);
    expect([...first.parents!]).toEqual([-1, 0]);
    drafter.observe!(blockOf(first, 7));
    history.push(17);
    const second = await propose(drafter, history, 9, more);
    expect([...second.tokens]).toEqual([7, 7, 17, 17, 17]);
    expect([...second.parents!]).toEqual([-1, 0, -1, 0, 1]);
    const withRoot = Int32Array.of(-1, 0, 1, 0, 1, 2);
    const rows = Array.from(treeMask(withRoot), String).join("").match(/.{6}/g);
    expect(rows).toEqual(["100000", "110000", "111000", "100100", "110010", "111001"]);
    // Column i: its level-0 token (the root for column 0), level 1, and what follows.
    drafter.observe!(blockOf(second, 17));
    history.push(27);
    history.push(17);
    const third = await propose(drafter, history, 12, more);
    expect([...third.tokens]).toEqual([17, 27, 17, 17, 27, 27, 27]);
    expect([...third.parents!]).toEqual([-1, 0, -1, 2, -1, 2, 3]);
  });

  test("drafts n-grams alone where the window does not fit, and nothing without trees", async () => {
    const text = [1, 2, 3, 4, 1];
    const drafter = lookahead({ window: 4, level: 4, guesses: 3 });
    const draft = await propose(drafter, historyOf(text), 4, { tree: true });
    expect([...draft.tokens]).toEqual([2, 3, 4]);
    const short = await propose(drafter, historyOf(text), 4, { tree: true, maxDepth: 2 });
    expect([...short.tokens]).toEqual([2, 3]);
    expect((await propose(lookahead(), historyOf(text), 9)).tokens).toHaveLength(0);
  });

  test("leaves every text as it is", { timeout: 60_000 }, async () => {
    const model = { tree: true, top: true };
    expect(
      await expectEqualTexts(() => lookahead({ window: 3, level: 3 }), 25, model),
    ).toBeGreaterThan(9);
  });

  test("finds what a text repeats, with the draft length of its own", async () => {
    const rule = hashRule(12, 5, 1);
    const { last } = await run(markovSequence({ vocabSize: 12, rule, tree: true }), [1], {
      maxTokens: 60,
      drafter: lookahead({ window: 4, level: 4, guesses: 4 }),
    });
    expect(last.stats.tokensPerStep).toBeGreaterThan(2.5);
  });

  test("refuses shapes that are none", () => {
    expect(() => lookahead({ window: 0 })).toThrow("window: expected an integer in [1, 64]");
    expect(() => lookahead({ level: 1 })).toThrow("level: expected an integer in [2, 16]");
    expect(() => lookahead({ guesses: 0 })).toThrow("guesses: expected an integer in [1, 64]");
  });
});
