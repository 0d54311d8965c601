import { InferenceError, type Rng } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  draftModel,
  type Drafter,
  type DraftOutcome,
  generate,
  type GenerateOptions,
  greedy,
  gumbelCoupled,
  kSeq,
  multiRound,
  promptLookup,
  recursiveRejection,
  rejection,
  sampleMatch,
} from "../src/index.ts";
import { enumerate } from "./enumerate.ts";
import { hashRule, markovSequence, tableRule } from "./markov-model.ts";
import { run } from "./run.ts";

const vocabSize = 12;
/** A target and a draft model that mostly agree. */
const target = (top = false) =>
  markovSequence({ vocabSize, rule: hashRule(vocabSize, 5, 2, 2), top, eosIds: [11] });
const small = (top = false) =>
  markovSequence({ vocabSize, rule: hashRule(vocabSize, 5, 2), top, runMs: () => 0.1 });

/** Knows the whole answer, and lies about every `lie`-th token of it. */
const oracle = (answer: readonly number[], lie = Infinity): Drafter => ({
  kinds: ["point"],
  propose: ({ history, maxTokens }) => ({
    tokens: Uint32Array.from(answer.slice(history.length, history.length + maxTokens), (id, i) =>
      (history.length + i) % lie === 0 ? (id + 1) % vocabSize : id,
    ),
    runMs: 0,
  }),
});

describe("a draft does not change the text", () => {
  const settings = fc.record({
    seed: fc.nat(1000),
    prompt: fc.array(fc.nat(vocabSize - 2), { minLength: 1, maxLength: 12 }),
    temperature: fc.constantFrom(0, 0.4, 1),
    topK: fc.constantFrom(3, vocabSize),
    topP: fc.constantFrom(0.8, 1),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    frequencyPenalty: fc.constantFrom(0, 0.2),
    window: fc.constantFrom(4, 1000),
    gamma: fc.nat(6),
    maxTokens: fc.integer({ min: 1, max: 40 }),
    top: fc.boolean(),
    drafter: fc.constantFrom("lookup", "first", "model", "oracle", "liar"),
  });

  test("whatever the drafter, the seed, the length and the sampling", async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(settings, async ({ prompt, gamma, drafter, top, window, ...sampling }) => {
        const options = { ...sampling, penaltyScope: { window } };
        const plain = await run(target(), prompt, options);
        const answer = [...prompt, ...plain.tokens];
        const made: Record<typeof drafter, () => Drafter> = {
          lookup: () => promptLookup({ minNgram: 1 }),
          first: () => promptLookup({ match: "first" }),
          model: () => draftModel(small(top)),
          oracle: () => oracle(answer),
          liar: () => oracle(answer, 3),
        };
        const sequence = target(top);
        const drafted = await run(sequence, prompt, {
          ...options,
          drafter: made[drafter](),
          draftLength: constantLength(gamma),
        });
        expect(drafted.tokens).toEqual(plain.tokens);
        expect(drafted.last.reason).toBe(plain.last.reason);
        expect(sequence.cached).toEqual(answer.slice(0, -1));
        expect(drafted.last.stats.drafted).toBeGreaterThanOrEqual(drafted.last.stats.accepted);
        accepted += drafted.last.stats.accepted;
      }),
      { seed: 1, numRuns: 400 },
    );
    expect(accepted).toBeGreaterThan(500);
  });

  test("with the default lengths, on 60 prompts and 3 seeds, greedy and sampled", async () => {
    const stats = { lookup: 0, model: 0 };
    for (let p = 0; p < 60; p++) {
      const prompt = Array.from({ length: 8 }, (_, i) => (p * 7 + i * i) % (vocabSize - 1));
      for (const seed of [1, 2, 3]) {
        for (const temperature of [0, 0.8]) {
          const options = { seed, temperature, maxTokens: 24, topP: 0.95 };
          const plain = await run(target(), prompt, options);
          const drafters = { lookup: promptLookup(), model: draftModel(small()) };
          for (const [name, drafter] of Object.entries(drafters)) {
            const drafted = await run(target(), prompt, { ...options, drafter });
            expect(drafted.tokens).toEqual(plain.tokens);
            stats[name as "lookup" | "model"] += drafted.last.stats.accepted;
          }
        }
      }
    }
    expect(stats.lookup).toBeGreaterThan(0);
    expect(stats.model).toBeGreaterThan(stats.lookup);
  });

  test("penalties count what was accepted, no more and no less", async () => {
    const options = {
      seed: 4,
      temperature: 1,
      repetitionPenalty: 1.8,
      presencePenalty: 0.7,
      frequencyPenalty: 0.4,
      maxTokens: 60,
      stopIds: [],
    };
    const plain = await run(target(), [1, 2], options);
    for (const drafter of [promptLookup({ minNgram: 1 }), draftModel(small())]) {
      const drafted = await run(target(), [1, 2], {
        ...options,
        drafter,
        draftLength: constantLength(5),
      });
      expect(drafted.tokens).toEqual(plain.tokens);
    }
  });

  test("reduced rows are asked for only where they suffice, and change nothing", async () => {
    const wanted = async (options: GenerateOptions) => {
      const sequence = target(true);
      const { tokens } = await run(sequence, [1], { maxTokens: 9, stopIds: [], ...options });
      expect(tokens).toEqual(
        (await run(target(false), [1], { maxTokens: 9, stopIds: [], ...options })).tokens,
      );
      return sequence.steps[0]!.logits;
    };
    const sampled = { temperature: 1, topK: 4 };
    expect(await wanted({})).toEqual({ top: 1, rows: "last" });
    expect(await wanted({ logprobs: 5 })).toEqual({ top: 5, rows: "last" });
    expect(await wanted({ ...sampled, topP: 0.9 })).toEqual({ top: 4, rows: "last" });
    expect(await wanted({ temperature: 1, topP: 0.9 })).toEqual({ top: 12, rows: "last" });
    expect(await wanted({ presencePenalty: 1 })).toBe("last");
    expect(await wanted({ ...sampled, logitBias: new Map([[1, 1]]) })).toBe("last");
  });
});

describe("inside a block", () => {
  const answer = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const counting = () =>
    markovSequence({
      vocabSize,
      rule: (cached) =>
        Array.from({ length: vocabSize }, (_, id) => (id === cached.at(-1)! + 1 ? 9 : 0)),
    });
  const options = { drafter: oracle(answer), draftLength: constantLength(6) };

  test("a stop id cuts what follows it, in the text and in the cache", async () => {
    const sequence = counting();
    const { tokens, events, last } = await run(sequence, [0, 1], { ...options, stopIds: [5] });
    expect([tokens, last.reason]).toEqual([[2, 3, 4, 5], "stop-id"]);
    expect(sequence.cached).toEqual([0, 1, 2, 3, 4]);
    expect(events.at(-2)).toEqual({
      type: "draft-verified",
      position: 3,
      drafted: 6,
      accepted: 3,
      targetMs: 1,
      draftMs: 0,
    });
  });

  test("a stop string ends at the token that completes it", async () => {
    const sequence = counting();
    const text = () => ({ push: (id: number) => ` ${id}`, flush: () => "" });
    const { tokens } = await run(sequence, [0, 1], { ...options, text, stopStrings: ["4 5"] });
    expect(tokens).toEqual([2, 3, 4, 5]);
    expect(sequence.cached).toEqual([0, 1, 2, 3, 4]);
  });

  test("no draft reaches past the last token that is wanted", async () => {
    const sequence = counting();
    const { tokens, last } = await run(sequence, [0, 1], { ...options, maxTokens: 5 });
    expect([tokens, last.reason]).toEqual([[2, 3, 4, 5, 6], "max-tokens"]);
    expect(sequence.steps.map(({ rows }) => rows)).toEqual([2, 4]);
    expect(sequence.peak).toBe(6);
    expect(last.stats).toMatchObject({
      targetSteps: 2,
      tokensPerStep: 2.5,
      drafted: 3,
      accepted: 3,
    });
  });

  test("no draft reaches past the end of the context", async () => {
    const rule = (cached: readonly number[]) =>
      Array.from({ length: vocabSize }, (_, id) => (id === cached.at(-1)! + 1 ? 9 : 0));
    const sequence = markovSequence({ vocabSize, rule, maxLength: 6 });
    const { tokens, last } = await run(sequence, [0, 1], options);
    expect([tokens, last.reason]).toEqual([[2, 3, 4, 5, 6], "context-full"]);
  });

  test("a consumer that leaves finds the cache where it left", async () => {
    const sequence = counting();
    for await (const event of generate(sequence, Uint32Array.of(0, 1), options)) {
      if (event.type === "token-accepted" && event.token === 4) break;
    }
    expect(sequence.cached).toEqual([0, 1, 2, 3]);
  });

  test("the tokens say which of them were guessed", async () => {
    const { events } = await run(counting(), [0, 1], {
      ...options,
      drafter: oracle(answer, 5),
      maxTokens: 6,
    });
    const guessed = events.flatMap((e) => (e.type === "token-accepted" ? [e.drafted] : []));
    expect(guessed).toEqual([false, true, true, false, true, false]);
  });
});

describe("exact by enumeration, through the whole loop", { timeout: 60_000 }, () => {
  // Rows of quarters: every threshold is a multiple of 1 / 12.
  const p = [
    [0.5, 0.25, 0.25],
    [0, 0.75, 0.25],
    [0.25, 0.5, 0.25],
  ];
  const q = [
    [0.25, 0.75, 0],
    [0.5, 0.25, 0.25],
    [0.25, 0.5, 0.25],
  ];
  const sequenceOf = (table: number[][]) =>
    markovSequence({ vocabSize: 3, rule: tableRule(table) });

  const pairs = async (options: () => GenerateOptions, cells: number) => {
    const outcome = async (random: Rng) => {
      const { tokens } = await run(sequenceOf(p), [0], { ...options(), random, maxTokens: 3 });
      return tokens.slice(1).join();
    };
    return enumerate(async (random) => {
      // The first token comes from the prompt alone; fix it, so that two are left to enumerate.
      const fixed: Rng = {
        uniform: (t, s, i) => (t === 1 && (s ?? 0) === 0 ? 0.1 : random.uniform(t, s, i)),
      };
      return outcome(fixed);
    }, cells);
  };

  const expectPairs = (law: Map<string, number>, table: number[][]): void => {
    for (let a = 0; a < 3; a++) {
      for (let b = 0; b < 3; b++) {
        expect(law.get(`${a},${b}`) ?? 0).toBeCloseTo(table[0]![a]! * table[a]![b]!, 9);
      }
    }
  };

  test.for([1, 2])("rejection with a draft model, %i at a time", async (gamma) => {
    const options = (): GenerateOptions => ({
      temperature: 1,
      verifier: rejection(),
      drafter: draftModel(sequenceOf(q)),
      draftLength: constantLength(gamma),
    });
    expectPairs(await pairs(options, 12), p);
  });

  test("a text that ends inside of a block", async () => {
    const options = (): GenerateOptions => ({
      temperature: 1,
      stopIds: [2],
      verifier: rejection(),
      drafter: draftModel(sequenceOf(q)),
      draftLength: constantLength(2),
    });
    const law = await pairs(options, 12);
    expect(law.get("2")).toBeCloseTo(p[0]![2]!, 9);
    for (const a of [0, 1]) {
      for (const b of [0, 1, 2]) {
        expect(law.get(`${a},${b}`) ?? 0).toBeCloseTo(p[0]![a]! * p[a]![b]!, 9);
      }
    }
  });

  test("rejection of guesses", async () => {
    const guess: Drafter = {
      kinds: ["point"],
      propose: ({ maxTokens }) => ({
        tokens: Uint32Array.of(0, 1).subarray(0, maxTokens),
        runMs: 0,
      }),
    };
    const options = (): GenerateOptions => ({
      temperature: 1,
      verifier: rejection(),
      drafter: guess,
      draftLength: constantLength(2),
    });
    expectPairs(await pairs(options, 12), p);
  });

  test("sample-match with a draft model", async () => {
    const options = (): GenerateOptions => ({
      temperature: 1,
      drafter: draftModel(sequenceOf(q)),
      draftLength: constantLength(2),
    });
    expectPairs(await pairs(options, 4), p);
  });

  test("under top-k the bonus token is drawn from the warped law", async () => {
    // Top-2: (2/3, 1/3, 0), (0, 3/4, 1/4), (1/3, 2/3, 0).
    const warped = [
      [2 / 3, 1 / 3, 0],
      [0, 3 / 4, 1 / 4],
      [1 / 3, 2 / 3, 0],
    ];
    for (const verifier of [sampleMatch(), rejection()]) {
      const options = (): GenerateOptions => ({
        temperature: 1,
        topK: 2,
        verifier,
        drafter: draftModel(sequenceOf(p)),
        draftLength: constantLength(1),
      });
      expectPairs(await pairs(options, 12), warped);
    }
  });

  test("at temperature one half too", async () => {
    const squared = markovSequence({ vocabSize: 3, rule: () => [0, 1, 2] });
    const counts = [0, 0, 0];
    const drafter = draftModel(markovSequence({ vocabSize: 3, rule: () => [0, 1, 2] }));
    const { tokens } = await run(squared, [0], {
      temperature: 0.5,
      seed: 3,
      verifier: rejection(),
      drafter,
      draftLength: constantLength(4),
      maxTokens: 4000,
    });
    for (const token of tokens) counts[token]!++;
    for (const [id, expected] of [0.016, 0.117, 0.867].entries()) {
      const sigma = Math.sqrt((expected * (1 - expected)) / tokens.length);
      expect(Math.abs(counts[id]! / tokens.length - expected)).toBeLessThan(5 * sigma + 5e-4);
    }
  });
});

describe("draftModel", () => {
  const options = { maxTokens: 30, stopIds: [], draftLength: constantLength(3) };

  test("that equals the target has everything accepted", async () => {
    for (const verifier of [sampleMatch(), rejection()]) {
      for (const temperature of [0, 1]) {
        const drafter = draftModel(target());
        const { last } = await run(target(), [1, 2], {
          ...options,
          temperature,
          verifier,
          drafter,
        });
        // A guess that allows for differences between the laws misses some where there are none.
        const isGuess = verifier.kinds[0] === "point" && temperature > 0;
        expect(last.stats.acceptanceRate).toBeGreaterThanOrEqual(isGuess ? 0.7 : 1);
      }
    }
  });

  test("that equals the target has every draw accepted, coupled or not", async () => {
    for (const verifier of [gumbelCoupled(), multiRound(), recursiveRejection(), kSeq()]) {
      const sampled = { ...options, temperature: 1, verifier };
      const plain = await run(target(), [1, 2], { ...options, temperature: 1, verifier });
      const { last, tokens } = await run(target(), [1, 2], {
        ...sampled,
        drafter: draftModel(target()),
      });
      expect(last.stats.acceptanceRate).toBe(1);
      const other = await run(target(), [1, 2], { ...sampled, drafter: draftModel(small()) });
      const coupled = verifier.kinds[0] === "coupled";
      expect(coupled ? [tokens, other.tokens] : []).toEqual(
        coupled ? [plain.tokens, plain.tokens] : [],
      );
    }
  });

  test("keeps its cache a prefix of the text, one token short after full acceptance", async () => {
    const sequence = target();
    const draft = small();
    const drafter = draftModel(draft);
    const { tokens } = await run(sequence, [3, 1], {
      ...options,
      temperature: 1,
      seed: 2,
      drafter,
    });
    const text = [3, 1, ...tokens];
    const common = draft.cached.findIndex((token, i) => token !== text[i]);
    // What differs can only be drafted tokens of the last block.
    expect(common === -1 || common >= text.length - 4).toBe(true);
    expect(draft.peak).toBeLessThanOrEqual(text.length);
    expect(Math.max(...draft.steps.slice(1).map(({ rows }) => rows))).toBe(2);
  });

  test("catches up after steps without a draft, and does not count that as drafting", async () => {
    const draft = small();
    const inner = draftModel(draft);
    const prefills: number[] = [];
    const drafter: Drafter = {
      ...inner,
      propose: async (context) => {
        const proposal = await inner.propose(context);
        prefills.push(proposal.prefillMs!);
        return proposal;
      },
    };
    let turn = 0;
    const everyFifth = { next: () => (++turn % 5 === 0 ? 2 : 0), observe: () => undefined };
    await run(target(), [3, 1], { ...options, drafter, draftLength: everyFifth });
    expect(prefills.length).toBeGreaterThan(2);
    expect(prefills.every((ms) => ms > 0)).toBe(true);
    expect(draft.steps.filter(({ logits }) => logits === "none").length).toBe(prefills.length);
  });

  test("serves another text after the first", async () => {
    const drafter = draftModel(small());
    const plain = await run(target(), [4, 4], options);
    await run(target(), [3, 1], { ...options, drafter });
    const second = await run(target(), [4, 4], { ...options, drafter });
    expect(second.tokens).toEqual(plain.tokens);
    expect(second.last.stats.accepted).toBeGreaterThan(0);
  });

  test("stops drafting when its context is full, without changing the text", async () => {
    const rule = hashRule(vocabSize, 5, 2);
    const drafter = draftModel(markovSequence({ vocabSize, rule, maxLength: 12 }));
    const plain = await run(target(), [3, 1], options);
    const { tokens, last } = await run(target(), [3, 1], { ...options, drafter });
    expect(tokens).toEqual(plain.tokens);
    expect(last.stats.drafted).toBeGreaterThan(0);
    expect(last.stats.drafted).toBeLessThan(30);
  });

  test("goes on drafting with a policy of its own", async () => {
    const sequence = markovSequence({ vocabSize, rule: hashRule(vocabSize, 5, 2), maxLength: 12 });
    const cache = (length: number, incoming: number) =>
      length + incoming <= 10
        ? null
        : Uint32Array.from({ length: 4 }, (_, i) => (i === 0 ? 0 : length - 4 + i));
    const drafter = draftModel(sequence, { cache });
    const prompt = Array.from({ length: 25 }, (_, i) => (i * 5) % 11);
    // The rule looks at two tokens only, so that what was evicted is not missed.
    const whole = await run(target(), prompt, { ...options, drafter: draftModel(small()) });
    const { tokens, last } = await run(target(), prompt, { ...options, drafter });
    expect(tokens).toEqual(whole.tokens);
    expect(last.stats.accepted).toBe(whole.last.stats.accepted);
    expect(sequence.peak).toBeLessThanOrEqual(12);
  });

  test("shares the target's random number, which beats drawing on its own", async () => {
    const rate = async (kind: "point" | "sampled") => {
      const inner = draftModel(small());
      const drafter: Drafter = { ...inner, kinds: [kind] };
      const drafted = { ...options, maxTokens: 600, temperature: 1, seed: 9, drafter };
      return (await run(target(), [1], drafted)).last.stats.acceptanceRate!;
    };
    expect(await rate("point")).toBeGreaterThan((await rate("sampled")) + 0.1);
  });

  test("must have the target's vocabulary", () => {
    const drafter = draftModel(markovSequence({ vocabSize: 5, rule: () => [] }));
    expect(() => generate(target(), Uint32Array.of(0), { drafter })).toThrow(
      "drafter: expected a vocabulary of 12, got one of 5",
    );
  });

  test("must begin with an empty sequence", async () => {
    const used = small();
    await used.step({ tokens: Uint32Array.of(1) }, { logits: "none" });
    await expect(run(target(), [0], { drafter: draftModel(used) })).rejects.toSatisfy((error) =>
      InferenceError.is(error, "state"),
    );
  });
});

describe("what the draft length learns", () => {
  const learn = async (clock?: () => number) => {
    const outcomes: DraftOutcome[] = [];
    const draftLength = { next: () => 2, observe: (o: DraftOutcome) => void outcomes.push(o) };
    const drafter = draftModel(small());
    const options = { maxTokens: 5, stopIds: [], drafter, draftLength };
    await run(target(), [1, 2], clock === undefined ? options : { ...options, clock });
    return outcomes;
  };

  test("is the time inside the models, without the prompt", async () => {
    const [first] = await learn();
    expect(first).toMatchObject({ drafted: 2, cut: false, targetMs: 1 });
    expect(first!.draftMs).toBeCloseTo(0.2, 12);
  });

  test("or by the clock, the way there and back included", async () => {
    let now = 0;
    const [first] = await learn(() => (now += 7));
    expect([first!.targetMs, first!.draftMs]).toEqual([7, 7 - 0.1]);
  });
});

describe("a drafter's proposal", () => {
  const propose = (draft: object): Drafter => ({
    kinds: ["point", "sampled"],
    propose: () => ({ tokens: Uint32Array.of(1, 2, 3), runMs: 0, ...draft }),
  });
  const lengths = { draftLength: constantLength(2), maxTokens: 6 };

  test("is cut to what was asked for", async () => {
    const sequence = target();
    await run(sequence, [0], { ...lengths, drafter: propose({}) });
    expect(Math.max(...sequence.steps.map(({ rows }) => rows))).toBeLessThanOrEqual(3);
  });

  test("is refused if it is no tree, or lacks laws", async () => {
    const bad = (parents: number[]) =>
      run(target(), [0], { ...lengths, drafter: propose({ parents: Int32Array.from(parents) }) });
    await expect(bad([-1, 1, 0])).rejects.toThrow(
      "parent of token 1: expected an integer in [-1, 1)",
    );
    await expect(bad([-1, -1])).rejects.toThrow("parents: expected 3 entries, got 2");
    const lawless = run(target(), [0], { ...lengths, drafter: propose({ laws: [] }) });
    await expect(lawless).rejects.toThrow("draft.laws: expected one per token, 3, got 0");
    // Guesses may come without; draws must not, or they would be verified as guesses.
    const drawn = run(target(), [0], { ...lengths, drafter: propose({}), verifier: rejection() });
    await expect(drawn).rejects.toThrow("draft.laws: expected one per token, 3, got 0");
  });

  test("must be of a kind that the verifier checks", () => {
    const drafter: Drafter = { ...propose({}), kinds: [] };
    expect(() => generate(target(), Uint32Array.of(0), { drafter, verifier: greedy() })).toThrow(
      "drafter: expected drafts that are point or coupled or sampled or distinct",
    );
  });
});
