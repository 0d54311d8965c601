import { InferenceError, philox, type Sequence } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  type Drafter,
  eagleDrafter,
  eagleStaticDrafter,
  firstOf,
  mtpDrafter,
  promptLookup,
  recursiveRejection,
  sampleMatch,
} from "../src/index.ts";
import { expectAbortable } from "./abort.ts";
import { headSequence, tappedSequence } from "./feature-model.ts";
import { hashRule, markovSequence, type MarkovSequence, tableRule } from "./markov-model.ts";
import { run } from "./run.ts";

const vocabSize = 12;
const rule = hashRule(vocabSize, 5, 2);
const target = (tree = true) => tappedSequence({ vocabSize, rule, eosIds: [11], tree });
/** A head that mostly, or always, says what the target says. */
const headOf = (noise: number, maxLength = 4096) =>
  headSequence({ vocabSize, rule: hashRule(vocabSize, 5, 2, noise), maxLength });

/** What a head has read is the text from its second token on. */
function expectText(head: MarkovSequence, text: readonly number[]): void {
  expect(text.slice(1, 1 + head.length)).toEqual(head.cached);
}

type Make = (head: Sequence) => Drafter;
const makers: readonly (readonly [string, Make])[] = [
  ["eagleDrafter", (head) => eagleDrafter(head, { topK: 3, depth: 4, totalTokens: 9 })],
  ["eagleDrafter with one path", (head) => eagleDrafter(head, { topK: 1, depth: 5 })],
  ["eagleStaticDrafter", (head) => eagleStaticDrafter(head)],
  ["mtpDrafter", (head) => mtpDrafter(head, { depth: 4 })],
];

describe.for(makers)("%s", ([, make]) => {
  test("does not change the text, greedy and sampled, on models with and without trees", async () => {
    const random = philox(3);
    for (let i = 0; i < 40; i++) {
      const pick = (index: number, end: number) => Math.floor(end * random.uniform(i, 0, index));
      const prompt = Array.from({ length: 1 + pick(0, 9) }, (_, j) => pick(10 + j, vocabSize - 1));
      const options = {
        seed: i,
        temperature: [0, 0.4, 1][pick(1, 3)]!,
        maxTokens: 1 + pick(2, 50),
        presencePenalty: [0, 0.5][pick(3, 2)]!,
      };
      const plain = await run(target(), prompt, options);
      const head = headOf([0, 2, 20][pick(4, 3)]!);
      const drafted = await run(target(pick(5, 2) === 0), prompt, {
        ...options,
        verifier: sampleMatch(),
        drafter: make(head),
        draftLength: constantLength(pick(6, 12)),
        ...(pick(7, 2) === 0 && { prefillChunk: 2 }),
      });
      expect(drafted.tokens).toEqual(plain.tokens);
      expectText(head, [...prompt, ...plain.tokens]);
    }
  });

  test("has everything accepted if the head says what the target says", async () => {
    const head = headOf(0);
    const options = { maxTokens: 60, stopIds: [], draftLength: constantLength(25) };
    const { last } = await run(target(), [1, 2, 3], { ...options, drafter: make(head) });
    expect(last.stats.tokensPerStep).toBeGreaterThan(3.5);
  });

  test("catches up after steps without a draft, and serves another text", async () => {
    const head = headOf(2);
    const drafter = make(head);
    let asked = 0;
    const draftLength = { ...constantLength(6), next: () => (asked++ % 4 === 3 ? 6 : 0) };
    for (const prompt of [[1, 2, 3], [5], [4, 4, 1, 2]]) {
      const options = { maxTokens: 40, stopIds: [] };
      const plain = await run(target(), prompt, options);
      const drafted = await run(target(), prompt, { ...options, drafter, draftLength });
      expect(drafted.tokens).toEqual(plain.tokens);
      expectText(head, [...prompt, ...plain.tokens]);
    }
  });

  test("reads prompts longer than its steps, and stops drafting when its context is full", async () => {
    const prompt = Array.from({ length: 600 }, (_, i) => (i * i) % (vocabSize - 1));
    const options = { maxTokens: 30, stopIds: [] };
    const plain = await run(target(), prompt, options);
    for (const [maxLength, prefillChunk] of [
      [4096, 600],
      [4096, 100],
      [610, 600],
      [500, 600],
    ] as const) {
      const head = headOf(0, maxLength);
      const more = { prefillChunk, drafter: make(head), draftLength: constantLength(4) };
      const drafted = await run(target(), prompt, { ...options, ...more });
      expect(drafted.tokens).toEqual(plain.tokens);
      expect(head.steps.every(({ rows }) => rows <= 256)).toBe(true);
      expect(drafted.last.stats.drafted > 0).toBe(maxLength > 500);
      expectText(head, [...prompt, ...plain.tokens]);
    }
  });

  test("reads several states of the target, and shares them with other drafters", async () => {
    const head = headSequence({ vocabSize, rule }, [0, 1, "final"]);
    const drafter = firstOf(promptLookup({ minNgram: 3 }), make(head), make(headOf(1)));
    const options = { maxTokens: 40, stopIds: [] };
    const plain = await run(target(), [1, 2, 3], options);
    const drafted = await run(target(), [1, 2, 3], { ...options, drafter });
    expect(drafted.tokens).toEqual(plain.tokens);
    expect(drafted.last.stats.accepted).toBeGreaterThan(10);
  });

  test("is left usable by an abort at any moment", async () => {
    await expectAbortable(target, async (watch) => {
      const drafter = make(watch(headOf(2)));
      return { sequence: watch(target()), drafter: { ...drafter, kinds: ["point"] } };
    });
  });

  test("leaves nothing but text in its cache when a step fails", async () => {
    const head = headOf(1);
    const drafter = make(head);
    const reason = new Error("enough");
    let looks = 0;
    const signal = {
      get aborted() {
        return ++looks > 12;
      },
      reason,
    };
    const options = { maxTokens: 40, stopIds: [], drafter, draftLength: constantLength(8) };
    await expect(run(target(), [1, 2, 3], { ...options, signal })).rejects.toBe(reason);
    const { signal: _, ...rest } = { ...options, signal };
    expect((await run(target(), [3, 2], rest)).tokens).toEqual(
      (await run(target(), [3, 2], { maxTokens: 40, stopIds: [] })).tokens,
    );
  });
});

describe("eagleStaticDrafter with recursiveRejection", () => {
  const p = [
    [0.5, 0.3, 0.2],
    [0.1, 0.6, 0.3],
    [0.3, 0.3, 0.4],
  ];
  const q = [
    [0.2, 0.5, 0.3],
    [0.3, 0.4, 0.3],
    [0.1, 0.1, 0.8],
  ];

  test("leaves the law of the text as it is", { timeout: 20_000 }, async () => {
    const runs = 3000;
    const counts = new Map<string, number>();
    const drafter = eagleStaticDrafter(headSequence({ vocabSize: 3, rule: tableRule(q) }), {
      choices: [[0], [1], [0, 0], [0, 1], [1, 0]],
    });
    const draftLength = constantLength(5);
    const verifier = recursiveRejection();
    for (let seed = 0; seed < runs; seed++) {
      const sequence = tappedSequence({ vocabSize: 3, rule: tableRule(p), tree: true });
      const options = { temperature: 1, maxTokens: 3, seed, drafter, draftLength, verifier };
      const key = (await run(sequence, [0], options)).tokens.join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    let sum = 0;
    for (let text = 0; text < 27; text++) {
      const tokens = [Math.floor(text / 9), Math.floor(text / 3) % 3, text % 3];
      const mass = tokens.reduce((m, token, i) => m * p[tokens[i - 1] ?? 0]![token]!, runs);
      sum += ((counts.get(tokens.join()) ?? 0) - mass) ** 2 / mass;
    }
    // 26 degrees of freedom; 54.1 is exceeded once in a thousand times.
    expect(sum).toBeLessThan(54.1);
  });
});

describe("a draft head is refused", () => {
  const isUnsupported = (error: unknown): boolean => InferenceError.is(error, "unsupported");

  test("if it is a model that reads no other, or cannot grow trees", () => {
    const plain = markovSequence({ vocabSize, rule, tree: true, top: true });
    for (const make of [eagleDrafter, eagleStaticDrafter, mtpDrafter]) {
      expect(() => make(plain)).toThrow(expect.toSatisfy(isUnsupported));
    }
    const chains = headSequence({ vocabSize, rule, tree: false });
    expect(() => eagleDrafter(chains)).toThrow(expect.toSatisfy(isUnsupported));
    expect(mtpDrafter(chains).trees).toBe(false);
    expect(() => eagleDrafter(headOf(0), { depth: 0 })).toThrow("depth: expected an integer >= 1");
  });

  test("by a target without hidden states, at the start", async () => {
    const drafter = mtpDrafter(headOf(0));
    const sequence = markovSequence({ vocabSize, rule });
    await expect(run(sequence, [1], { drafter })).rejects.toSatisfy(isUnsupported);
  });
});
