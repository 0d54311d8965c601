import { InferenceError, philox } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createSampler, promptLookup, type PromptLookupOptions } from "../src/index.ts";
import { createTokenHistory, type TokenHistory } from "../src/drafters/token-view.ts";

const proposer = (options: PromptLookupOptions, stopIds: number[] = []) => {
  const drafter = promptLookup(options);
  const sampler = createSampler({}, 16);
  return async (history: TokenHistory, maxTokens: number): Promise<number[]> => {
    const shape = { maxTokens, maxDepth: maxTokens, tree: false };
    const context = { history, ...shape, sampler, rowReach: 1, random: philox(0) };
    const stops = new Set(stopIds);
    const draft = await drafter.propose({ ...context, kind: "point", stopIds: stops });
    return [...draft.tokens];
  };
};

const propose = (
  ids: number[],
  maxTokens: number,
  options: PromptLookupOptions,
  stops?: number[],
) => proposer(options, stops)(createTokenHistory(0, Uint32Array.from(ids)), maxTokens);

describe("promptLookup", () => {
  const ids = [7, 1, 2, 3, 4, 1, 2, 5, 6, 1, 2];

  test("continues the occurrence that it was told to", async () => {
    const all = { maxNgram: 3, minNgram: 1 };
    expect(await propose(ids, 3, { ...all, match: "first" })).toEqual([3, 4, 1]);
    expect(await propose(ids, 3, { ...all, match: "first-full" })).toEqual([3, 4, 1]);
    expect(await propose(ids, 3, { ...all, match: "last" })).toEqual([5, 6, 1]);
  });

  test("is clipped at the end of the text, or refuses to be", async () => {
    const short = [1, 2, 3, 9, 2, 3];
    const two = { maxNgram: 2, minNgram: 1 };
    expect(await propose(short, 10, { ...two, match: "first" })).toEqual([9, 2, 3]);
    expect(await propose(short, 10, { ...two, match: "first-full" })).toEqual([]);
  });

  test("prefers the longest suffix", async () => {
    const text = [1, 2, 3, 8, 9, 2, 3, 7, 1, 2, 3];
    expect(await propose(text, 1, { maxNgram: 3 })).toEqual([8]);
    expect(await propose(text, 1, { maxNgram: 2 })).toEqual([7]);
  });

  test("does not look for less than the shortest", async () => {
    expect(await propose([1, 2, 1], 4, {})).toEqual([]);
    expect(await propose([1, 2, 1], 4, { minNgram: 1 })).toEqual([2, 1]);
  });

  test("ends with a stop id", async () => {
    expect(await propose(ids, 3, {}, [6])).toEqual([5, 6]);
  });

  test("has nothing to say about a short text", async () => {
    for (const text of [[5], [5, 5]]) expect(await propose(text, 4, {})).toEqual([]);
    expect(await propose([5, 5], 4, { minNgram: 1 })).toEqual([5]);
  });

  test("rejects options outside their intervals", () => {
    for (const options of [
      { maxNgram: 0 },
      { maxNgram: 65 },
      { minNgram: 0 },
      { maxNgram: 2, minNgram: 3 },
      { match: "best" as "last" },
    ]) {
      expect(() => promptLookup(options)).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, "range")),
      );
    }
  });
});

/** The definition, by scanning the whole text. */
function scan(ids: readonly number[], count: number, options: Required<PromptLookupOptions>) {
  const { maxNgram, minNgram, match } = options;
  for (let n = Math.min(maxNgram, ids.length - 1); n >= minNgram; n--) {
    const suffix = ids.slice(-n).join();
    const starts = [];
    for (let s = 0; s + n < ids.length; s++) {
      if (ids.slice(s, s + n).join() === suffix) starts.push(s + n);
    }
    if (match === "last" && starts.length > 0)
      return ids.slice(starts.at(-1), starts.at(-1)! + count);
    for (const start of starts) {
      const isFull = start + count <= ids.length && start < ids.length - n;
      if (match === "first" || isFull) return ids.slice(start, start + count);
    }
  }
  return [];
}

describe("promptLookup, for any text", () => {
  test("equals a scan, token after token", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .integer({ min: 1, max: 4 })
          .chain((letters) => fc.array(fc.nat(letters), { maxLength: 70 })),
        fc.record({
          maxNgram: fc.integer({ min: 2, max: 5 }),
          minNgram: fc.integer({ min: 1, max: 2 }),
          match: fc.constantFrom("last", "first", "first-full"),
        }),
        fc.integer({ min: 1, max: 6 }),
        async (ids, options, count) => {
          const next = proposer(options);
          const history = createTokenHistory(0, Uint32Array.of(0));
          const text = [0];
          for (const id of ids) {
            history.push(id);
            text.push(id);
            expect(await next(history, count)).toEqual(scan(text, count, options));
          }
        },
      ),
      { seed: 1, numRuns: 150 },
    );
  });

  test("a large index, grown many times, still equals a scan", async () => {
    const next = proposer({ maxNgram: 4 });
    const history = createTokenHistory(0, Uint32Array.of(0));
    const text = [0];
    const random = philox(8);
    for (let i = 0; i < 4000; i++) {
      const id = Math.floor(random.uniform(i) * 12);
      history.push(id);
      text.push(id);
    }
    const options = { maxNgram: 4, minNgram: 2, match: "last" } as const;
    expect(await next(history, 5)).toEqual(scan(text, 5, options));
    history.push(text[100]!);
    expect(await next(history, 5)).toEqual(scan([...text, text[100]!], 5, options));
  });

  test("starts over with another text", async () => {
    const next = proposer({});
    const first = createTokenHistory(0, Uint32Array.of(1, 2, 3, 1, 2));
    const second = createTokenHistory(0, Uint32Array.of(1, 2, 9, 1, 2));
    expect(await next(first, 1)).toEqual([3]);
    expect(await next(second, 1)).toEqual([9]);
  });
});
