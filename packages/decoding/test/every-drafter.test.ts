import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  type Drafter,
  type GenerateEvent,
  gumbelCoupled,
  sampleMatch,
} from "../src/index.ts";
import { expectAbortable } from "./abort.ts";
import { everyDrafter, vocabSize } from "./every-drafter.ts";
import { hashRule, markovSequence, type MarkovSequence } from "./markov-model.ts";
import { run } from "./run.ts";

const target = (): MarkovSequence =>
  markovSequence({ vocabSize, rule: hashRule(vocabSize, 5, 2, 2), eosIds: [11], tree: true });
const small = (): MarkovSequence =>
  markovSequence({ vocabSize, rule: hashRule(vocabSize, 5, 2), tree: true });

/** Ids are letters; 8 is half a character, which the next id completes. */
const letters = () => {
  let half = "";
  return {
    push: (id: number) => {
      const text = half + String.fromCharCode(97 + id);
      half = id === 8 ? "+" : "";
      return id === 8 ? text.slice(0, -1) : text;
    },
    flush: () => half,
  };
};
const shown = (events: readonly GenerateEvent[]): string =>
  events.map((event) => ("text" in event ? event.text : "")).join("");

/** A drafter as the verifiers want it that leave the text as it is. */
const matched = (drafter: Drafter): Drafter =>
  drafter.kinds.some((kind) => kind === "point" || kind === "coupled")
    ? drafter
    : { ...drafter, kinds: ["sampled"] };

describe.for(Object.entries(everyDrafter))("%s", ([, make]) => {
  const settings = fc.record({
    seed: fc.nat(1000),
    prompt: fc.array(fc.nat(vocabSize - 2), { minLength: 1, maxLength: 10 }),
    temperature: fc.constantFrom(0, 0.5, 1),
    topK: fc.constantFrom(3, vocabSize),
    topP: fc.constantFrom(0.8, 1),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    frequencyPenalty: fc.constantFrom(0, 0.4),
    presencePenalty: fc.constantFrom(0, 0.7),
    window: fc.constantFrom(3, 1000),
    maxTokens: fc.integer({ min: 1, max: 30 }),
    stopStrings: fc.constantFrom([], ["c"], ["ab", "cd", "ef", "gh"], ["i+", "ba"], ["kk"]),
    gamma: fc.integer({ min: 1, max: 9 }),
    verifier: fc.constantFrom(sampleMatch(), gumbelCoupled()),
  });

  test("penalties, stop strings and limits hold inside accepted blocks", async () => {
    const drafter = matched(make(small));
    let drafted = 0;
    await fc.assert(
      fc.asyncProperty(settings, async ({ prompt, gamma, window, ...rest }) => {
        const options = { ...rest, penaltyScope: { window }, text: letters };
        const plain = await run(target(), prompt, options);
        const sequence = target();
        const draftLength = constantLength(gamma);
        const fast = await run(sequence, prompt, { ...options, drafter, draftLength });
        expect(fast.tokens).toEqual(plain.tokens);
        expect(fast.last.reason).toBe(plain.last.reason);
        expect(shown(fast.events)).toBe(shown(plain.events));
        expect(sequence.cached).toEqual([...prompt, ...plain.tokens].slice(0, -1));
        drafted += fast.last.stats.drafted;
      }),
      { seed: 1, numRuns: 60 },
    );
    expect(drafted).toBeGreaterThan(20);
  });

  test("an abort at any moment leaves everything usable", async () => {
    await expectAbortable(target, async (watch) => ({
      sequence: watch(target()),
      drafter: matched(make(() => watch(small()))),
    }));
  });

  test("logits that are NaN or all -Infinity give an error that names the position", async () => {
    for (const [bad, message] of [
      [Number.NaN, "logits: expected numbers below Infinity, got NaN for id 0 at position 9"],
      [-Infinity, "the model: expected at least one token with a finite logit at position 9"],
    ] as const) {
      const rule = hashRule(vocabSize, 5, 2, 2);
      const broken = markovSequence({
        vocabSize,
        tree: true,
        rule: (cached) => (cached.length >= 9 ? Array(vocabSize).fill(bad) : rule(cached)),
      });
      const drafter = matched(make(small));
      const failed = run(broken, [3, 1, 4], { drafter, draftLength: constantLength(5) });
      await expect(failed).rejects.toThrow(message);
      // The text has nine tokens, the last of which is not cached.
      expect(broken.cached.length).toBeGreaterThan(6);
      expect(broken.cached.length).toBeLessThan(10);
    }
  });
});
