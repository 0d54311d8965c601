import type { Sequence } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  type Drafter,
  generate,
  type GenerateEvent,
  type GenerateOptions,
  gumbelCoupled,
  sampleMatch,
} from "../src/index.ts";
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

  /** Forwards to a sequence; every call and the end of every call is a moment. */
  const watched = (inner: MarkovSequence, moment: () => void): Sequence => {
    const step: Sequence["step"] = async (...call) => {
      moment();
      const output = await inner.step(...call);
      moment();
      return output;
    };
    const keep: Sequence["keep"] = async (positions) => {
      moment();
      await inner.keep(positions);
      moment();
    };
    return Object.create(inner, { step: { value: step }, keep: { value: keep } }) as Sequence;
  };

  test("an abort at any moment leaves everything usable", async () => {
    const prompt = [3, 1, 4, 1, 5];
    const options: GenerateOptions = { seed: 6, temperature: 0.7, maxTokens: 12, stopIds: [] };
    const draftLength = constantLength(5);
    const plain = await run(target(), prompt, options);
    const text = [...prompt, ...plain.tokens];
    let moments = 0;
    for (let last = 0; last < 200; last++) {
      const aborter = new AbortController();
      moments = 0;
      const moment = (): void => {
        if (moments++ === last) aborter.abort(new Error("enough"));
      };
      const drafter = matched(make(() => watched(small(), moment)));
      const sequence = target();
      const seen = [...prompt];
      const aborted = (async () => {
        const watch = watched(sequence, moment);
        const all = { ...options, drafter, draftLength, signal: aborter.signal };
        for await (const event of generate(watch, Uint32Array.from(prompt), all)) {
          if (event.type === "token-accepted") seen.push(event.token);
        }
      })();
      const error = await aborted.then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error === null || error === aborter.signal.reason).toBe(true);
      // Nothing but text is cached, and all of it that was shown; then the rest can follow.
      const cached = [...sequence.cached];
      expect(cached).toEqual(seen.length === prompt.length ? cached : seen.slice(0, -1));
      expect(text.slice(0, cached.length)).toEqual(cached);
      const left = text.length - seen.length;
      if (left > 0) {
        const rest = await run(sequence, seen.slice(cached.length), {
          ...options,
          maxTokens: left,
          history: Uint32Array.from(cached),
          drafter,
          draftLength,
        });
        seen.push(...rest.tokens);
      }
      expect(seen).toEqual(text);
      if (error === null) break;
    }
    // The last run was not aborted: every moment has had its turn.
    expect(moments).toBeGreaterThan(4);
    expect(moments).toBeLessThan(200);
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
