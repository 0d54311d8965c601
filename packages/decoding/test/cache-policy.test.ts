import { type CachePolicy, InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  type Drafter,
  generate,
  type GenerateOptions,
  promptLookup,
} from "../src/index.ts";
import { hashRule, markovSequence } from "./markov-model.ts";
import { run } from "./run.ts";

const vocabSize = 9;
/** Looks at six tokens: what is in the cache matters. */
const target = (maxLength: number) =>
  markovSequence({ vocabSize, rule: hashRule(vocabSize, 3, 6), maxLength });

/** Two sinks and a window of eight, evicting `slack` rows more than it must. */
const window =
  (slack: number): CachePolicy =>
  (length, incoming) => {
    if (length + incoming <= 10) return null;
    const recent = Math.max(0, 8 - slack - incoming);
    const gap = length - 2 - recent;
    return gap <= 0
      ? null
      : Uint32Array.from({ length: 2 + recent }, (_, i) => (i < 2 ? i : i + gap));
  };

const prompt = [1, 2, 3, 4, 5];

describe("generate with a cache policy", () => {
  test("goes on past the context in bounded memory", async () => {
    const sequence = target(12);
    const { tokens, events, last } = await run(sequence, prompt, {
      cache: window(3),
      maxTokens: 200,
    });
    expect([tokens.length, last.reason]).toEqual([200, "max-tokens"]);
    expect(sequence.peak).toBeLessThanOrEqual(10);
    const trims = events.filter((event) => event.type === "cache-trimmed");
    expect(trims[0]).toEqual({ type: "cache-trimmed", from: 10, to: 6 });
    // Ahead by its slack: one eviction in four tokens.
    expect(trims.length).toBe(Math.ceil((199 - 5) / 4));
  });

  test("positions go on counting", async () => {
    const { events } = await run(target(12), prompt, { cache: window(0), maxTokens: 30 });
    const positions = events.flatMap((e) => (e.type === "token-accepted" ? [e.position] : []));
    expect(positions).toEqual(Array.from({ length: 30 }, (_, i) => 5 + i));
  });

  test("is as without one while everything fits", async () => {
    const plain = await run(target(100), prompt, { maxTokens: 5 });
    const kept = await run(target(100), prompt, { maxTokens: 5, cache: window(2) });
    expect(kept.events).toEqual(plain.events);
  });

  test("a draft changes neither the text nor what is evicted", async () => {
    const bigram: Drafter = {
      kinds: ["point"],
      propose: ({ history, maxTokens }) => ({
        tokens: Uint32Array.from({ length: maxTokens }, (_, i) => history.at(i)),
        runMs: 0,
      }),
    };
    let drafts = 0;
    for (const slack of [0, 3, 6]) {
      for (const temperature of [0, 0.7]) {
        const options: GenerateOptions = {
          cache: window(slack),
          temperature,
          seed: slack,
          maxTokens: 150,
        };
        const plain = await run(target(12), prompt, options);
        for (const drafter of [promptLookup({ minNgram: 1 }), bigram]) {
          const sequence = target(12);
          const drafted = await run(sequence, prompt, {
            ...options,
            drafter,
            draftLength: constantLength(5),
          });
          expect(drafted.tokens).toEqual(plain.tokens);
          expect(sequence.peak).toBeLessThanOrEqual(10);
          drafts += slack > 0 ? drafted.last.stats.drafted : 0;
        }
      }
    }
    expect(drafts).toBeGreaterThan(100);
  });

  test("reads a prompt longer than the context, in chunks", async () => {
    const long = Array.from({ length: 57 }, (_, i) => (i * i) % vocabSize);
    const sequence = target(12);
    const { tokens, events } = await run(sequence, long, { cache: window(2), maxTokens: 20 });
    expect(tokens).toHaveLength(20);
    expect(sequence.peak).toBeLessThanOrEqual(10);
    expect(events[0]!.type).toBe("cache-trimmed");
    expect(sequence.steps[0]).toEqual({ rows: 2, logits: "none" });
    const chunked = await run(target(12), long, {
      cache: window(2),
      prefillChunk: 2,
      maxTokens: 20,
    });
    expect(chunked.tokens).toEqual(tokens);
  });

  test("that keeps too much ends with a full context", async () => {
    const { tokens, last } = await run(target(7), prompt, { cache: () => null });
    expect([tokens.length, last.reason]).toEqual([3, "context-full"]);
  });

  test("a chunk that does not fit is refused", async () => {
    const options = { cache: () => null, prefillChunk: 9 };
    await expect(run(target(7), [...prompt, ...prompt], options)).rejects.toThrow(
      "ids: expected at most 7 more, got 9",
    );
  });

  test("is refused for a model that cannot evict", () => {
    const sequence = markovSequence({ vocabSize, rule: () => [], evict: false });
    const start = () => generate(sequence, Uint32Array.of(0), { cache: window(1) });
    expect(start).toThrow(
      expect.toSatisfy((error: unknown) => InferenceError.is(error, "unsupported")),
    );
  });
});
