import { InferenceError, philox } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { buildSuffixArray } from "../src/drafters/suffix-array.ts";
import { createSuffixAutomaton } from "../src/drafters/suffix-automaton.ts";
import { SuffixDatastore, suffixDrafter } from "../src/index.ts";
import { expectEqualTexts } from "./equal-text.ts";
import { historyOf, propose } from "./propose.ts";

const smallTexts = fc
  .integer({ min: 0, max: 4 })
  .chain((letters) => fc.array(fc.nat(letters), { maxLength: 80 }));

/** The longest suffix with an earlier end, and its first end, by scanning. */
function longestRepeat(text: readonly number[]): { length: number; end: number } {
  for (let length = text.length - 1; length > 0; length--) {
    for (let end = length - 1; end < text.length - 1; end++) {
      let same = 0;
      while (same < length && text[end - same] === text[text.length - 1 - same]) same++;
      if (same === length) return { length, end };
    }
  }
  return { length: 0, end: -1 };
}

describe("the suffix automaton", () => {
  test("finds the longest repeat as a scan does, after every token", () => {
    fc.assert(
      fc.property(smallTexts, (text) => {
        const automaton = createSuffixAutomaton();
        for (const [i, token] of text.entries()) {
          automaton.push(token);
          const { matchLength: length, matchEnd: end } = automaton;
          expect({ length, end }).toEqual(longestRepeat(text.slice(0, i + 1)));
          const n = i + 1;
          expect(automaton.length).toBe(n);
          // Blumer's bounds count the initial state; they hold from three tokens on.
          if (n < 3) continue;
          expect(automaton.states).toBeLessThanOrEqual(2 * n - 1);
          expect(automaton.transitions).toBeLessThanOrEqual(3 * n - 4);
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("takes a long text in time that grows with its length", () => {
    const random = philox(3);
    for (const letters of [1, 2, 50, 100_000]) {
      const automaton = createSuffixAutomaton();
      for (let i = 0; i < 100_000; i++) {
        automaton.push(Math.floor(letters * random.uniform(i)));
      }
      expect(automaton.states).toBeLessThan(200_000);
      expect(automaton.transitions).toBeLessThan(300_000);
    }
  });

  test("takes the largest ids", () => {
    const automaton = createSuffixAutomaton();
    for (const id of [2 ** 32 - 1, 0, 2 ** 32 - 1]) automaton.push(id);
    expect([automaton.matchLength, automaton.matchEnd]).toEqual([1, 0]);
  });
});

describe("the suffix array", () => {
  test("is the sorted order of the suffixes", () => {
    fc.assert(
      fc.property(smallTexts, (text) => {
        const tokens = Uint32Array.from(text, (token) => token * 1_000_003);
        const compare = (a: number, b: number): number => {
          while (a < text.length && b < text.length && text[a] === text[b]) {
            a++;
            b++;
          }
          return (text[a] ?? -1) - (text[b] ?? -1);
        };
        expect([...buildSuffixArray(tokens)]).toEqual([...text.keys()].sort(compare));
      }),
      { seed: 2, numRuns: 300 },
    );
  });
});

const datastoreOf = (texts: readonly (readonly number[])[]): SuffixDatastore =>
  SuffixDatastore.fromTexts(texts.map((text) => Uint32Array.from(text)));

/** Where the end of a context occurs in texts, by scanning: the tokens that follow. */
function continuations(texts: readonly (readonly number[])[], phrase: readonly number[]) {
  return texts.flatMap((text) =>
    text.flatMap((_, start) =>
      phrase.every((token, i) => text[start + i] === token) && start + phrase.length <= text.length
        ? [text.slice(start + phrase.length)]
        : [],
    ),
  );
}

describe("the datastore", () => {
  const stores = fc.array(fc.array(fc.nat(2), { maxLength: 30 }), { maxLength: 6 });
  const contexts = fc.array(fc.nat(3), { minLength: 1, maxLength: 12 });

  test("finds the longest phrase and all its occurrences, as a scan does", () => {
    fc.assert(
      fc.property(stores, contexts, fc.integer({ min: 1, max: 8 }), (all, context, maxSpan) => {
        const store = datastoreOf(all);
        const { length, from, to } = store.match(historyOf(context), maxSpan);
        let longest = Math.min(maxSpan, context.length);
        while (longest > 0 && continuations(all, context.slice(-longest)).length === 0) longest--;
        expect(length).toBe(longest);
        if (longest === 0) return;
        const rests = continuations(all, context.slice(-longest));
        expect(to - from).toBe(rests.length);
        const counts = new Map<number, number>();
        store.forEachNext(from, to, length, (token, low, high) => counts.set(token, high - low));
        const expected = new Map<number, number>();
        for (const [next] of rests) {
          if (next !== undefined) expected.set(next, (expected.get(next) ?? 0) + 1);
        }
        expect(counts).toEqual(expected);
      }),
      { seed: 3, numRuns: 400 },
    );
  });

  test("is read back as it was written", () => {
    const all = [[1, 2, 3], [], [2, 3, 1, 2 ** 32 - 2]];
    const bytes = datastoreOf(all).toBytes();
    expect(bytes.length).toBe(16 + 8 * 10);
    // At an odd offset of a larger buffer.
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    const store = SuffixDatastore.fromBytes(shifted.subarray(3));
    expect(store.length).toBe(10);
    expect(store.toBytes()).toEqual(bytes);
    expect(SuffixDatastore.fromBytes(datastoreOf([]).toBytes()).length).toBe(0);
  });

  test("refuses bytes that are no datastore", () => {
    const bytes = datastoreOf([
      [1, 2, 1, 2, 3],
      [1, 2],
    ]).toBytes();
    const isFormat = expect.toSatisfy((error: unknown) => InferenceError.is(error, "format"));
    for (let end = 0; end < bytes.length; end++) {
      expect(() => SuffixDatastore.fromBytes(bytes.subarray(0, end))).toThrow(isFormat);
    }
    // Whatever bit is flipped: an error, or a datastore that is in order.
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const broken = bytes.slice();
      broken[bit >> 3]! ^= 1 << (bit & 7);
      try {
        const store = SuffixDatastore.fromBytes(broken);
        expect(store.toBytes()).toEqual(datastoreOf(textsIn(broken)).toBytes());
      } catch (error) {
        if (!InferenceError.is(error, "format")) throw error;
      }
    }
    expect(() => SuffixDatastore.fromTexts([Uint32Array.of(2 ** 32 - 1)])).toThrow(
      "texts: expected ids below 2^32 - 1, got 4294967295",
    );
  });
});

/** The texts that a file holds. */
function textsIn(bytes: Uint8Array): number[][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const all: number[][] = [[]];
  for (let i = 0; i < view.getUint32(8, true); i++) {
    const token = view.getUint32(16 + 4 * i, true);
    if (token === 2 ** 32 - 1) all.push([]);
    else all.at(-1)!.push(token);
  }
  return all.slice(0, -1);
}

describe("suffixDrafter", () => {
  const draft = async (...args: Parameters<typeof propose>): Promise<number[]> => [
    ...(await propose(...args)).tokens,
  ];

  test("continues the longest repeat, at its first occurrence", async () => {
    const text = [1, 2, 3, 8, 9, 2, 3, 7, 1, 2, 3];
    expect(await draft(suffixDrafter(), text, 3)).toEqual([8, 9, 2]);
    expect(await draft(suffixDrafter(), [2, 3, 7, 2, 3, 8, 2, 3], 1)).toEqual([7]);
    expect(await draft(suffixDrafter({ minMatch: 4 }), text, 3)).toEqual([]);
    expect(await draft(suffixDrafter({ perMatch: 0 }), text, 3)).toEqual([8]);
  });

  test("goes on with a period past the end of the text", async () => {
    expect(await draft(suffixDrafter(), [4, 4, 4], 5)).toEqual([4, 4, 4, 4, 4]);
    expect(await draft(suffixDrafter(), [9, 1, 2, 3, 1, 2, 3], 8)).toEqual([
      1, 2, 3, 1, 2, 3, 1, 2,
    ]);
  });

  test("ends with a stop id", async () => {
    const text = [1, 2, 3, 4, 5, 1, 2];
    expect(await draft(suffixDrafter(), text, 4, { stopIds: [4] })).toEqual([3, 4]);
  });

  test("takes the most frequent continuation of the datastore, ties to the lower id", async () => {
    const datastore = datastoreOf([
      [1, 2, 5, 6],
      [1, 2, 5, 7],
      [1, 2, 4],
      [3, 1, 2, 9],
    ]);
    const stored = suffixDrafter({ context: false, datastore });
    expect(await draft(stored, [8, 1, 2], 4)).toEqual([5, 6]);
    expect(await draft(stored, [3, 1, 2], 4)).toEqual([9]);
    expect(await draft(stored, [1, 8], 4)).toEqual([]);
    expect(await draft(stored, [1, 2, 4], 4)).toEqual([]);
  });

  test("drafts the most frequent continuations as a tree, as a scan finds them", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(2), { maxLength: 30 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(2), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 4 }),
        async (all, context, count, maxDepth) => {
          const datastore = datastoreOf(all);
          const drafter = suffixDrafter({ context: false, datastore, minMatch: 1, perMatch: 20 });
          const { tokens, parents } = await propose(drafter, context, count, {
            tree: true,
            maxDepth,
            stopIds: [2],
          });
          let longest = context.length;
          while (longest > 0 && continuations(all, context.slice(-longest)).length === 0) longest--;
          const counts = new Map<string, number>();
          for (const rest of longest === 0 ? [] : continuations(all, context.slice(-longest))) {
            const stop = rest.indexOf(2);
            const usable = stop < 0 ? rest : rest.slice(0, stop + 1);
            for (let n = 1; n <= Math.min(maxDepth, usable.length); n++) {
              const phrase = usable.slice(0, n).join();
              counts.set(phrase, (counts.get(phrase) ?? 0) + 1);
            }
          }
          const phrases: string[] = [];
          for (const [i, parent] of [...(parents ?? [])].entries()) {
            phrases.push(parent < 0 ? `${tokens[i]}` : `${phrases[parent]},${tokens[i]}`);
          }
          expect(new Set(phrases).size).toBe(phrases.length);
          const best = [...counts.values()].sort((a, b) => b - a).slice(0, count);
          expect(phrases.map((phrase) => counts.get(phrase))).toEqual(best);
        },
      ),
      { seed: 4, numRuns: 200 },
    );
  });

  test("prefers its own text unless the datastore knows much more of it", async () => {
    const datastore = datastoreOf([[1, 2, 3, 4, 5, 6, 7, 9]]);
    const both = suffixDrafter({ datastore });
    const text = [6, 7, 8, 0, 1, 2, 3, 4, 5, 6, 7];
    expect(await draft(both, text, 1)).toEqual([8]);
    expect(await draft(suffixDrafter({ datastore, penalty: 4 }), text, 1)).toEqual([9]);
    expect(await draft(both, [5, 1, 2, 3], 1)).toEqual([4]);
  });

  test("starts over with another text", async () => {
    const drafter = suffixDrafter();
    expect(await draft(drafter, [1, 2, 3, 1, 2], 1)).toEqual([3]);
    expect(await draft(drafter, [1, 2, 9, 1, 2], 1)).toEqual([9]);
  });

  test("rejects options outside their intervals", () => {
    for (const options of [
      { minMatch: 0 },
      { minMatch: Number.NaN },
      { perMatch: -1 },
      { maxSpan: 65 },
      { penalty: 0.5 },
      { context: false },
    ]) {
      expect(() => suffixDrafter(options)).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, "range")),
      );
    }
  });

  test("does not change the text", async () => {
    expect(await expectEqualTexts(() => suffixDrafter({ minMatch: 1 }))).toBeGreaterThan(100);
    const datastore = datastoreOf([Array.from({ length: 400 }, (_, i) => (i * i * 7) % 12)]);
    for (const tree of [false, true]) {
      const make = () => suffixDrafter({ minMatch: 1, datastore });
      expect(await expectEqualTexts(make, 40, { tree })).toBeGreaterThan(60);
      const only = () => suffixDrafter({ context: false, minMatch: 1, datastore });
      await expectEqualTexts(only, 40, { tree });
    }
  });
});
