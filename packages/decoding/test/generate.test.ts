import { InferenceError, type Rng } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { generate, type GenerateEvent, greedy } from "../src/index.ts";
import { hashRule, markovSequence, tableRule } from "./markov-model.ts";
import { run } from "./run.ts";

/** The golden chain: three tokens, seed 42, start 0. */
const golden = tableRule([
  [0.5, 0.3, 0.2],
  [0.1, 0.6, 0.3],
  [0.3, 0.3, 0.4],
]);
const chain = () => markovSequence({ vocabSize: 3, rule: golden });

/** Each token is followed by the next one, modulo ten. */
const counting = (options = {}) => {
  const rule = (cached: readonly number[]) =>
    Array.from({ length: 10 }, (_, id) => (id === (cached.at(-1)! + 1) % 10 ? 5 : 0));
  return markovSequence({ vocabSize: 10, rule, ...options });
};

const isCode = (code: "range" | "unsupported" | "state" | "backend") =>
  expect.toSatisfy((error: unknown) => InferenceError.is(error, code));

describe("generate", () => {
  test("reproduces the golden text of seed 42", async () => {
    const { tokens, events } = await run(chain(), [0], { seed: 42, temperature: 1, maxTokens: 8 });
    expect(tokens).toEqual([2, 2, 2, 1, 1, 1, 1, 1]);
    expect(events[0]).toEqual({ type: "token-accepted", token: 2, position: 1, drafted: false });
  });

  test("positions are those of the text, not of the call", async () => {
    const options = { seed: 42, temperature: 1 };
    const whole = await run(chain(), [0], { ...options, maxTokens: 8 });
    const sequence = chain();
    const first = await run(sequence, [0], { ...options, maxTokens: 3 });
    const root = first.tokens.at(-1)!;
    const second = await run(sequence, [root], { ...options, maxTokens: 5 });
    expect([...first.tokens, ...second.tokens]).toEqual(whole.tokens);
    const history = Uint32Array.from([0, ...first.tokens.slice(0, -1)]);
    const again = markovSequence({ vocabSize: 3, rule: golden });
    await again.step({ tokens: history }, { logits: "none" });
    const third = await run(again, [root], { ...options, history, maxTokens: 5 });
    expect(third.tokens).toEqual(second.tokens);
  });

  test("is greedy by default, ties to the lower id", async () => {
    expect((await run(counting(), [3], { maxTokens: 4 })).tokens).toEqual([4, 5, 6, 7]);
    const flat = markovSequence({ vocabSize: 3, rule: () => [0, 1, 1] });
    expect((await run(flat, [0], { maxTokens: 2 })).tokens).toEqual([1, 1]);
  });

  test("the same seed repeats a text, another gives another", async () => {
    const text = async (seed: number | bigint) => {
      const sequence = markovSequence({ vocabSize: 50, rule: hashRule(50, 1) });
      return (await run(sequence, [0], { seed, temperature: 1, maxTokens: 40 })).tokens;
    };
    expect(await text(7)).toEqual(await text(7n));
    expect(await text(7)).not.toEqual(await text(8));
    expect(await text(1n << 63n)).not.toEqual(await text(0));
  });

  test("takes a random source of the caller's", async () => {
    const random: Rng = { uniform: () => 0.999 };
    const { tokens } = await run(chain(), [0], { random, temperature: 1, maxTokens: 3 });
    expect(tokens).toEqual([2, 2, 2]);
  });

  test("the cache ends with everything but the last token", async () => {
    const sequence = counting();
    await run(sequence, [3, 4], { maxTokens: 3 });
    expect(sequence.cached).toEqual([3, 4, 5, 6]);
  });

  test("reads the prompt once and asks for the last row only", async () => {
    const sequence = counting();
    await run(sequence, [1, 2, 3], { maxTokens: 2 });
    expect(sequence.steps).toEqual([
      { rows: 3, logits: "last" },
      { rows: 1, logits: "last" },
    ]);
  });
});

describe("generate ends", () => {
  test("at a stop id, which is emitted", async () => {
    const { tokens, last } = await run(counting(), [3], { stopIds: [6] });
    expect([tokens, last.reason]).toEqual([[4, 5, 6], "stop-id"]);
  });

  test("at the model's own ids unless told otherwise", async () => {
    const eos = { eosIds: [5] };
    expect((await run(counting(eos), [3], { maxTokens: 6 })).tokens).toEqual([4, 5]);
    const none = await run(counting(eos), [3], { maxTokens: 3, stopIds: [] });
    expect([none.tokens, none.last.reason]).toEqual([[4, 5, 6], "max-tokens"]);
  });

  test("when the context is full, without an error", async () => {
    const sequence = counting({ maxLength: 6 });
    const { tokens, last } = await run(sequence, [0, 1]);
    expect([tokens, last.reason]).toEqual([[2, 3, 4, 5, 6], "context-full"]);
    expect(sequence.length).toBe(6);
  });

  test("at once for a signal that was aborted, and between steps", async () => {
    const controller = new AbortController();
    const sequence = counting();
    const reason = new Error("enough");
    const seen: GenerateEvent[] = [];
    const aborted = (async () => {
      for await (const event of generate(sequence, Uint32Array.of(0), {
        signal: controller.signal,
      })) {
        seen.push(event);
        if (seen.length === 3) controller.abort(reason);
      }
    })();
    await expect(aborted).rejects.toBe(reason);
    expect(seen).toHaveLength(3);
    expect(sequence.cached).toEqual([0, 1, 2]);
    const late = run(counting(), [0], { signal: controller.signal });
    await expect(late).rejects.toBe(reason);
  });

  test("by break, with the cache at what was seen", async () => {
    const sequence = counting();
    for await (const event of generate(sequence, Uint32Array.of(0))) {
      if (event.type === "token-accepted" && event.token === 3) break;
    }
    expect(sequence.cached).toEqual([0, 1, 2]);
  });
});

describe("generate with text", () => {
  /** Ids are the letters a, b, c, ...; 9 is half a character, completed by the next id. */
  const letters = () => {
    let half = false;
    return {
      push: (id: number) => {
        if (id === 9) {
          half = true;
          return "";
        }
        const text = (half ? "é" : "") + String.fromCharCode(97 + id);
        half = false;
        return text;
      },
      flush: () => (half ? "\uFFFD" : ""),
    };
  };
  const shown = (events: readonly GenerateEvent[]): string =>
    events.map((event) => ("text" in event ? event.text : "")).join("");

  test("delivers it with the tokens, and what is left at the end", async () => {
    const { events } = await run(counting(), [7], { text: letters, maxTokens: 2 });
    expect(shown(events)).toBe("i\uFFFD");
    const more = await run(counting(), [7], { text: letters, maxTokens: 4 });
    expect(shown(more.events)).toBe("iéab");
  });

  test("shows nothing of a stop string and ends with the token that completes it", async () => {
    const options = { text: letters, stopStrings: ["zz", "de"] };
    const { tokens, events, last } = await run(counting(), [0], options);
    expect([tokens, last.reason]).toEqual([[1, 2, 3, 4], "stop-string"]);
    expect(shown(events)).toBe("bc");
  });

  test("releases what only looked like a stop string", async () => {
    const options = { text: letters, stopStrings: ["cdx", "efg"], maxTokens: 4 };
    const { events, last } = await run(counting(), [0], options);
    const deltas = events.map((event) => ("text" in event ? event.text : ""));
    expect(deltas).toEqual(["b", "", "", "cd", "e"]);
    expect(last.reason).toBe("max-tokens");
  });

  test("a stop id shows nothing", async () => {
    const { events } = await run(counting(), [0], { text: letters, stopIds: [3] });
    expect(shown(events)).toBe("bc");
  });

  test("of two stop strings in one token the one that begins first counts", async () => {
    const text = () => ({ push: (id: number) => `<${id}>end`, flush: () => "" });
    const options = { text, stopStrings: ["end", "1>"] };
    const { events } = await run(counting(), [0], options);
    expect(shown(events)).toBe("<");
  });
});

describe("generate reports", () => {
  const p = [0.5, 0.3, 0.2];

  test("log probabilities of the model and of the law", async () => {
    for (const top of [false, true]) {
      const sequence = markovSequence({ vocabSize: 3, rule: golden, top });
      const options = { seed: 42, temperature: 0.5, topK: 2, logprobs: 2, maxTokens: 1 };
      const { events } = await run(sequence, [0], options);
      const event = events[0] as GenerateEvent & { type: "token-accepted" };
      const { model, sampled, top: best } = event.logprobs!;
      const q = p[event.token]! ** 2 / (p[0]! ** 2 + p[1]! ** 2);
      expect(model).toBeCloseTo(Math.log(p[event.token]!), 6);
      expect(sampled).toBeCloseTo(Math.log(q), 6);
      expect(best.map(({ token }) => token)).toEqual([0, 1]);
      for (const { token, logprob } of best) expect(logprob).toBeCloseTo(Math.log(p[token]!), 6);
    }
  });

  test("at temperature 0 the law is certain", async () => {
    for (const top of [false, true]) {
      const sequence = markovSequence({ vocabSize: 3, rule: golden, top });
      const { events } = await run(sequence, [0], { logprobs: 0, maxTokens: 1 });
      expect(events[0]).toMatchObject({ logprobs: { sampled: 0, top: [] } });
    }
  });

  test("statistics without a clock have no times of their own", async () => {
    const { last } = await run(counting(), [0, 1], { maxTokens: 3 });
    expect(last.stats).toEqual({
      promptTokens: 2,
      tokens: 3,
      targetSteps: 3,
      tokensPerStep: 1,
      drafted: 0,
      accepted: 0,
      acceptanceRate: null,
      prefillMs: 1,
      modelMs: 3,
      draftMs: 0,
      elapsedMs: null,
      outsideMs: null,
      timeToFirstTokenMs: null,
    });
  });

  test("with a clock, without the time of the consumer", async () => {
    let now = 0;
    const sequence = counting();
    const step = sequence.step.bind(sequence);
    sequence.step = (block, options) => {
      now += 10;
      return step(block, options);
    };
    const generation = generate(sequence, Uint32Array.of(0), { clock: () => now, maxTokens: 3 });
    expect(generation.stats.elapsedMs).toBe(0);
    const live: (number | null)[] = [];
    for await (const event of generation) {
      now += 1000;
      if (event.type === "token-accepted") live.push(generation.stats.elapsedMs);
    }
    expect(live).toEqual([10, 20, 30]);
    const { elapsedMs, modelMs, outsideMs, timeToFirstTokenMs } = generation.stats;
    expect([elapsedMs, modelMs, outsideMs, timeToFirstTokenMs]).toEqual([30, 3, 27, 10]);
  });
});

describe("generate refuses", () => {
  test.for([
    [{ maxTokens: 0 }, "maxTokens: expected an integer >= 1, got 0"],
    [{ topP: 1.2 }, "topP: expected a number in (0, 1], got 1.2"],
    [{ stopIds: [10] }, "stopIds: expected ids in [0, 10), got 10"],
    [{ stopStrings: ["x"] }, "stopStrings: expected the option text"],
    [{ stopStrings: [""] }, "stopStrings: expected no empty string"],
    [{ logprobs: -1 }, "logprobs: expected"],
    [{ prefillChunk: 0 }, "prefillChunk: expected"],
    [{ seed: -1 }, "seed: expected"],
  ] as const)("%o, at once", ([options, message]) => {
    expect(() => generate(counting(), Uint32Array.of(0), options)).toThrow(message);
  });

  test("an empty prompt, and one that does not fit", () => {
    expect(() => generate(counting(), new Uint32Array(0))).toThrow("ids: expected at least one");
    const small = counting({ maxLength: 3 });
    expect(() => generate(small, new Uint32Array(4))).toThrow("ids: expected at most 3 tokens");
  });

  test("the greedy verifier at a temperature", () => {
    const options = { temperature: 1, verifier: greedy() };
    expect(() => generate(counting(), Uint32Array.of(0), options)).toThrow(isCode("unsupported"));
  });

  test("a second iteration", async () => {
    const generation = generate(counting(), Uint32Array.of(0), { maxTokens: 1 });
    const types: string[] = [];
    for await (const event of generation) types.push(event.type);
    expect(types).toEqual(["token-accepted", "finish"]);
    expect(() => generation[Symbol.asyncIterator]()).toThrow(isCode("state"));
  });

  test("NaN, and leaves the cache as documented", async () => {
    let calls = 0;
    const rule = () => (++calls < 3 ? [0, 1] : [0, Number.NaN]);
    const sequence = markovSequence({ vocabSize: 2, rule });
    await expect(run(sequence, [0])).rejects.toThrow("got NaN for id 1 at position 3");
    expect(sequence.cached).toEqual([0, 1]);
  });
});
