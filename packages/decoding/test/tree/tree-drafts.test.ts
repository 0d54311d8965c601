import { createReferenceTransformer, tinyConfig } from "@frugal/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  type Drafter,
  type DraftOutcome,
  generate,
  gumbelCoupled,
  measuredCost,
  sampleMatch,
  treeDepths,
  type VerifiedBlock,
} from "../../src/index.ts";
import { hashRule, markovSequence } from "../markov-model.ts";
import { run } from "../run.ts";

const vocabSize = 10;
const target = (tree = true, top = false) =>
  markovSequence({ vocabSize, rule: hashRule(vocabSize, 5, 3), tree, top, eosIds: [9] });

/** Trees of hashed shape whose tokens are mostly those of `answer`. */
const randomTrees = (answer: readonly number[], salt: number, honesty = 3): Drafter => ({
  kinds: ["point"],
  trees: true,
  propose: ({ history, maxTokens }) => {
    let state = salt * 7919 + history.length * 104_729 + 1;
    const next = (n: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % n;
    };
    const parents = Int32Array.from({ length: maxTokens }, (_, i) => {
      const near = Math.min(i + 1, 3);
      return i - 1 - next(near);
    });
    const depths = treeDepths(parents);
    const tokens = Uint32Array.from(parents, (_, i) => {
      const right = answer[history.length + depths[i]!] ?? 0;
      return next(honesty) > 0 ? right : next(vocabSize);
    });
    return { tokens, parents, runMs: 0 };
  },
});

const settings = fc.record({
  seed: fc.nat(1000),
  prompt: fc.array(fc.nat(vocabSize - 2), { minLength: 1, maxLength: 8 }),
  temperature: fc.constantFrom(0, 0.5, 1),
  topP: fc.constantFrom(0.8, 1),
  topK: fc.constantFrom(3, vocabSize),
  repetitionPenalty: fc.constantFrom(1, 1.3),
  frequencyPenalty: fc.constantFrom(0, 0.2),
  nodes: fc.nat(14),
  maxTokens: fc.integer({ min: 1, max: 30 }),
  tree: fc.boolean(),
  top: fc.boolean(),
});

describe("a tree does not change the text", () => {
  test("whatever its shape, the seed, the sampling and the model", async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(settings, async ({ prompt, nodes, tree, top, ...sampling }) => {
        for (const verifier of [sampleMatch(), gumbelCoupled()]) {
          const options = { ...sampling, verifier };
          const plain = await run(target(), prompt, options);
          const answer = [...prompt, ...plain.tokens];
          const sequence = target(tree, top);
          const drafted = await run(sequence, prompt, {
            ...options,
            drafter: randomTrees(answer, sampling.seed),
            draftLength: constantLength(nodes),
          });
          expect(drafted.tokens).toEqual(plain.tokens);
          expect(drafted.last.reason).toBe(plain.last.reason);
          expect(sequence.cached).toEqual(answer.slice(0, -1));
          accepted += drafted.last.stats.accepted;
        }
      }),
      { seed: 1, numRuns: 200 },
    );
    expect(accepted).toBeGreaterThan(1000);
  });

  test("nor that of a transformer", async () => {
    const model = createReferenceTransformer({ seed: 3, config: tinyConfig });
    for (const temperature of [0, 0.9]) {
      for (const seed of [1, 2, 3]) {
        const options = { temperature, seed, maxTokens: 14, stopIds: [] };
        const plain = await run(await model.createSequence(), [1, 2, 3], options);
        const answer = [1, 2, 3, ...plain.tokens];
        const drafted = await run(await model.createSequence(), [1, 2, 3], {
          ...options,
          drafter: randomTrees(answer, seed, 8),
          draftLength: constantLength(9),
        });
        expect(drafted.tokens).toEqual(plain.tokens);
        expect(drafted.last.stats.tokensPerStep).toBeGreaterThan(1.5);
      }
    }
  });

  test("a verified path is what the transformer would have cached", async () => {
    const model = createReferenceTransformer({ seed: 4, config: tinyConfig });
    const options = { temperature: 0.7, seed: 5, maxTokens: 10, stopIds: [] };
    const plain = await run(await model.createSequence(), [4, 5], options);
    const sequence = await model.createSequence();
    const drafter = randomTrees([4, 5, ...plain.tokens], 5);
    await run(sequence, [4, 5], { ...options, drafter, draftLength: constantLength(8) });
    const fresh = await model.createSequence();
    await fresh.step(
      { tokens: Uint32Array.of(4, 5, ...plain.tokens.slice(0, -1)) },
      { logits: "none" },
    );
    expect(sequence.length).toBe(fresh.length);
    const probe = { tokens: Uint32Array.of(plain.tokens.at(-1)!, 7) };
    const [a, b] = [
      await sequence.step(probe, { logits: "all" }),
      await fresh.step(probe, { logits: "all" }),
    ];
    for (const [i, logit] of a.logits!.data.entries()) {
      expect(logit).toBeCloseTo(b.logits!.data[i]!, 5);
    }
  });
});

describe("in the loop", () => {
  /** After `t` comes `t + 1`. */
  const counting = (tree = true) =>
    markovSequence({
      vocabSize: 12,
      tree,
      rule: (cached) => Array.from({ length: 12 }, (_, id) => (id === cached.at(-1)! + 1 ? 9 : 0)),
    });
  /** Two children after each token of the right path: a wrong one first, then the right one. */
  const combs: Drafter = {
    kinds: ["point"],
    trees: true,
    propose: ({ history, maxTokens }) => {
      const last = history.at(history.length - 1);
      return {
        tokens: Uint32Array.from({ length: maxTokens }, (_, i) =>
          i % 2 === 0 ? 0 : Math.min(11, last + (i + 1) / 2),
        ),
        parents: Int32Array.from({ length: maxTokens }, (_, i) => (i < 2 ? -1 : i - (i % 2) - 1)),
        runMs: 0,
      };
    },
  };
  const options = { drafter: combs, draftLength: constantLength(8) };

  test("the golden tree: nodes 0, 2, 5 are kept and 2, 5, 1 emitted", async () => {
    const next = new Map([
      [0, 2],
      [2, 5],
      [5, 1],
    ]);
    const sequence = markovSequence({
      vocabSize: 6,
      tree: true,
      rule: (cached) =>
        Array.from({ length: 6 }, (_, id) => (next.get(cached.at(-1)!) === id ? 1 : 0)),
    });
    let turn = 0;
    const drafter: Drafter = {
      kinds: ["point"],
      trees: true,
      propose: () =>
        turn++ > 0
          ? { tokens: new Uint32Array(0), runMs: 0 }
          : {
              tokens: Uint32Array.of(1, 2, 3, 4, 5, 2),
              parents: Int32Array.of(-1, -1, 0, 0, 1, 2),
              runMs: 0,
            },
    };
    // 3 leads to 0, the golden root.
    next.set(3, 0);
    const { tokens, events } = await run(sequence, [3], {
      drafter,
      draftLength: constantLength(6),
      stopIds: [1],
    });
    expect(tokens).toEqual([0, 2, 5, 1]);
    expect(sequence.cached).toEqual([3, 0, 2, 5]);
    expect(sequence.keeps).toBe(1);
    expect(events.at(-2)).toMatchObject({ type: "draft-verified", drafted: 6, accepted: 2 });
  });

  test("a stop id on a branch ends the text there", async () => {
    const sequence = counting();
    const { tokens, last } = await run(sequence, [0, 1], { ...options, stopIds: [5] });
    expect([tokens, last.reason]).toEqual([[2, 3, 4, 5], "stop-id"]);
    expect(sequence.cached).toEqual([0, 1, 2, 3, 4]);
    expect(last.stats).toMatchObject({ drafted: 8, accepted: 3, targetSteps: 2 });
  });

  test("a stop string ends at the token that completes it", async () => {
    const sequence = counting();
    const text = () => ({ push: (id: number) => ` ${id}`, flush: () => "" });
    const { tokens } = await run(sequence, [0, 1], { ...options, text, stopStrings: ["4 5"] });
    expect(tokens).toEqual([2, 3, 4, 5]);
    expect(sequence.cached).toEqual([0, 1, 2, 3, 4]);
  });

  test("no path is longer than what may still be emitted, and no block than the context", async () => {
    const sequence = counting();
    const depths: number[] = [];
    const watched: Drafter = {
      ...combs,
      propose: (context) => {
        depths.push(context.maxDepth);
        return combs.propose(context);
      },
    };
    const { tokens, last } = await run(sequence, [0, 1], {
      ...options,
      drafter: watched,
      maxTokens: 4,
    });
    expect([tokens, last.reason]).toEqual([[2, 3, 4, 5], "max-tokens"]);
    expect(depths).toEqual([2]);
    // Four of the eight nodes lie within the depth.
    expect(sequence.steps.map(({ rows }) => rows)).toEqual([2, 5]);
    const rule = (cached: readonly number[]) =>
      Array.from({ length: 12 }, (_, id) => (id === cached.at(-1)! + 1 ? 9 : 0));
    const short = markovSequence({ vocabSize: 12, rule, maxLength: 6, tree: true });
    const full = await run(short, [0, 1], options);
    expect([full.tokens, full.last.reason]).toEqual([[2, 3, 4, 5, 6], "context-full"]);
    expect(short.peak).toBeLessThanOrEqual(6);
  });

  test("a consumer that leaves finds the cache where it left", async () => {
    const sequence = counting();
    for await (const event of generate(sequence, Uint32Array.of(0, 1), options)) {
      if (event.type === "token-accepted" && event.token === 4) break;
    }
    expect(sequence.cached).toEqual([0, 1, 2, 3]);
    await sequence.step({ tokens: Uint32Array.of(4) }, { logits: "none" });
  });

  test("a row of NaN on the path leaves the cache at the text", async () => {
    const sequence = markovSequence({
      vocabSize: 12,
      tree: true,
      rule: (cached) =>
        Array.from({ length: 12 }, (_, id) =>
          cached.at(-1) === 4 ? Number.NaN : id === cached.at(-1)! + 1 ? 9 : 0,
        ),
    });
    const failed = run(sequence, [0, 1], options);
    await expect(failed).rejects.toThrow("at position 5");
    expect(sequence.cached).toEqual([0, 1, 2, 3]);
  });

  test("a model without trees checks one chain and says so once", async () => {
    const { tokens, events } = await run(counting(false), [0, 1], { ...options, maxTokens: 5 });
    expect(tokens).toEqual([2, 3, 4, 5, 6]);
    const degraded = events.filter(({ type }) => type === "draft-degraded");
    expect(degraded).toEqual([{ type: "draft-degraded", position: 3, from: 3, to: 1 }]);
    const onTrees = await run(counting(), [0, 1], options);
    expect(onTrees.events.some(({ type }) => type === "draft-degraded")).toBe(false);
  });

  test("scores choose the chain", async () => {
    const scored: Drafter = {
      ...combs,
      propose: async (context) => {
        const draft = await combs.propose(context);
        const scores = Float32Array.from(draft.tokens, (_, i) => (i % 2 === 0 ? 0.1 : 0.8));
        return { ...draft, scores };
      },
    };
    const { last } = await run(counting(false), [0, 1], {
      ...options,
      drafter: scored,
      maxTokens: 8,
    });
    expect(last.stats.acceptanceRate).toBeGreaterThan(0.7);
    const first = await run(counting(false), [0, 1], { ...options, maxTokens: 8 });
    expect(first.last.stats.accepted).toBe(0);
  });

  test("a cache policy evicts at the same tokens as without a draft", async () => {
    const cache = (length: number, incoming: number) =>
      length + incoming <= 12
        ? null
        : Uint32Array.from({ length: 8 }, (_, i) => (i < 2 ? i : length - 8 + i));
    const base = { cache, maxTokens: 60, stopIds: [], temperature: 1, seed: 3 };
    const plain = await run(target(), [1, 2], base);
    const drafter = randomTrees([1, 2, ...plain.tokens], 3);
    const drafted = await run(target(), [1, 2], {
      ...base,
      drafter,
      draftLength: constantLength(9),
    });
    expect(drafted.tokens).toEqual(plain.tokens);
    expect(drafted.last.stats.accepted).toBeGreaterThan(5);
  });

  test("abort leaves the cache at the text", async () => {
    const sequence = counting();
    const aborter = new AbortController();
    const seen: number[] = [];
    const aborted = (async () => {
      const all = generate(sequence, Uint32Array.of(0, 1), { ...options, signal: aborter.signal });
      for await (const event of all) {
        if (event.type !== "token-accepted") continue;
        seen.push(event.token);
        if (event.token === 3) aborter.abort(new Error("enough"));
      }
    })();
    await expect(aborted).rejects.toThrow("enough");
    expect(sequence.cached).toEqual([0, 1, ...seen.slice(0, -1)]);
  });
});

describe("a drafter that learns", () => {
  test.for([true, false])("sees every block and its rows, reduced: %s", async (top) => {
    const seen: (VerifiedBlock & { readonly ids: number[] })[] = [];
    const rule = hashRule(vocabSize, 5, 1);
    const drafter: Drafter = {
      ...randomTrees([], 1, 2),
      wants: { top: 3 },
      observe: (block) => seen.push({ ...block, ids: [...block.top.ids] }),
    };
    const sequence = markovSequence({ vocabSize, rule, tree: true, top });
    const { tokens } = await run(sequence, [1, 2], {
      drafter,
      draftLength: constantLength(5),
      maxTokens: 20,
      temperature: 1,
      stopIds: [],
    });
    const text = [2, ...tokens];
    let at = 0;
    for (const { tokens: rows, parents, path, next, top: largest, ids } of seen) {
      expect(parents[0]).toBe(-1);
      const own = Array.from(path, (row) => rows[row]!);
      expect(own).toEqual(text.slice(at, at + own.length));
      at += own.length;
      expect(next).toBe(text[at]);
      expect(largest.rows).toBe(rows.length);
      expect(largest.k).toBeGreaterThanOrEqual(3);
      for (const [row, token] of rows.entries()) {
        const logits = Float32Array.from(rule([token]));
        const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
        expect(ids.slice(row * largest.k, row * largest.k + 3)).toEqual(order.slice(0, 3));
      }
    }
    expect(at).toBe(text.length - 1);
  });
});

describe("the size of a tree", () => {
  /** Feeds a controller trees of which node `i` is accepted with a fixed share. */
  const simulate = (shares: readonly number[], cost: (rows: number) => number): number => {
    const length = measuredCost({ max: 16 });
    let state = 1;
    const next = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    const chosen: number[] = [];
    for (let step = 0; step < 4000; step++) {
      const drafted = length.next(16);
      const path = Uint32Array.from(shares.keys()).filter(
        (i) => i < drafted && next() < shares[i]!,
      );
      const outcome: DraftOutcome = {
        drafted,
        accepted: path.length,
        ...(drafted > 1 ? { path } : {}),
        cut: false,
        targetMs: cost(drafted + 1),
        draftMs: 0,
      };
      length.observe(outcome);
      chosen.push(drafted);
    }
    return chosen.slice(-1000).reduce((a, b) => a + b) / 1000;
  };

  test("grows while nodes pay for their rows, and not beyond", () => {
    const shares = [0.7, 0.5, 0.4, 0.3, 0.2, ...Array.from({ length: 11 }, () => 0.002)];
    expect(simulate(shares, (rows) => 1 + 0.05 * rows)).toBeGreaterThan(3);
    expect(simulate(shares, (rows) => 1 + 0.05 * rows)).toBeLessThan(8);
    // Where every row costs as much as a step, nothing is drafted.
    expect(simulate(shares, (rows) => rows)).toBeLessThan(1);
  });
});

test("a model without trees refuses nothing that is a chain after merging", async () => {
  const twins: Drafter = {
    kinds: ["point"],
    propose: ({ maxTokens }) => ({
      tokens: Uint32Array.of(1, 1, 2).subarray(0, maxTokens),
      parents: Int32Array.of(-1, -1, 0).subarray(0, maxTokens),
      runMs: 0,
    }),
  };
  const sequence = markovSequence({
    vocabSize: 3,
    rule: (cached) => [0, cached.length === 1 ? 0 : 1, 0],
  });
  const options = { drafter: twins, draftLength: constantLength(3), maxTokens: 5 };
  const { events } = await run(sequence, [0], options);
  expect(events.some(({ type }) => type === "draft-degraded")).toBe(false);
});
