import { InferenceError, philox } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { ngramCache, ngramHash, ngramMap, NgramTable } from "../src/index.ts";
import { expectEqualTexts } from "./equal-text.ts";
import { historyOf, propose } from "./propose.ts";

const draft = async (...args: Parameters<typeof propose>): Promise<number[]> => [
  ...(await propose(...args)).tokens,
];
const isRange = expect.toSatisfy((error: unknown) => InferenceError.is(error, "range"));
const text = (letters: number, maxLength = 60) => fc.array(fc.nat(letters), { maxLength });
const tableOf = (all: readonly (readonly number[])[], order = 4): NgramTable => {
  const table = new NgramTable(order);
  for (const one of all) table.add(one);
  return table;
};

/** What followed a phrase in texts, by scanning. */
function countNext(all: readonly (readonly number[])[], phrase: readonly number[]) {
  const counts = new Map<number, number>();
  for (const tokens of all) {
    for (let start = 0; start + phrase.length < tokens.length; start++) {
      if (!phrase.every((token, i) => tokens[start + i] === token)) continue;
      const next = tokens[start + phrase.length]!;
      counts.set(next, (counts.get(next) ?? 0) + 1);
    }
  }
  return counts;
}

const lax = { samples: [2, 2, 1, 1], percent: [66, 50, 50, 50] };
const strict = { samples: [4, 3, 2, 2], percent: [75, 66, 66, 66] };

/** The rule, by scanning. */
function scan(
  own: readonly number[],
  dynamic: readonly (readonly number[])[],
  fixed: readonly (readonly number[])[],
  count: number,
): number[] {
  const tokens = [...own];
  const pick = (
    counts: Map<number, number>,
    n: number,
    demand: typeof lax,
    inFixed = new Map(),
  ) => {
    const weight = ([token, times]: [number, number]) =>
      times * (inFixed.has(token) ? 100 * inFixed.get(token) : 1);
    const [best] = [...counts].sort((a, b) => weight(b) - weight(a) || a[0] - b[0]);
    const total = [...counts.values()].reduce((a, b) => a + b, 0);
    if (best === undefined || total < demand.samples[n - 1]!) return null;
    return 100 * best[1] < demand.percent[n - 1]! * total ? null : best[0];
  };
  while (tokens.length < own.length + count) {
    const inFixed = tokens.length < 2 ? new Map() : countNext(fixed, tokens.slice(-2));
    let next: number | null = null;
    for (const [all, demand] of [
      [[own], lax],
      [dynamic, strict],
    ] as const) {
      for (let n = Math.min(4, tokens.length); n >= 1 && next === null; n--) {
        next = pick(countNext(all, tokens.slice(-n)), n, demand, inFixed);
      }
    }
    next ??= pick(inFixed, 2, lax);
    if (next === null) break;
    tokens.push(next);
  }
  return tokens.slice(own.length);
}

describe("the n-gram table", () => {
  test("counts as a scan does, and is read back as it was written", () => {
    fc.assert(
      fc.property(fc.array(text(2, 25), { maxLength: 4 }), (all) => {
        const written = tableOf(all, 3);
        const read = NgramTable.fromBytes(written.toBytes());
        expect(read.toBytes()).toEqual(written.toBytes());
        for (const table of [written, read]) {
          for (const phrase of [[0], [1, 0], [0, 1, 2], [2, 2]]) {
            let node = table.first(phrase[0]!);
            for (const token of phrase.slice(1)) node = table.after(node, token);
            const expected = countNext(all, phrase);
            const found = new Map<number, number>();
            table.forEachNext(node, (child) => {
              if (node !== 0) found.set(table.tokenOf(child), table.countOf(child));
            });
            expect(found).toEqual(expected);
            if (node === 0) continue;
            const total = [...expected.values()].reduce((a, b) => a + b, 0);
            expect(table.totalOf(node)).toBe(total);
            const [best] = [...expected].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
            expect(table.tokenOf(table.bestOf(node))).toBe(best?.[0] ?? 0);
          }
        }
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test("grows no further than it may", () => {
    const table = new NgramTable(4, 50);
    const random = philox(1);
    table.add(Array.from({ length: 5000 }, (_, i) => Math.floor(1000 * random.uniform(i))));
    expect(table.size).toBe(50);
    const large = tableOf([
      Array.from({ length: 5000 }, (_, i) => Math.floor(9 * random.uniform(i))),
    ]);
    expect(NgramTable.fromBytes(large.toBytes()).toBytes()).toEqual(large.toBytes());
  });

  test("refuses bytes that are no table", () => {
    const bytes = tableOf([[1, 2, 1, 2, 3], [1]]).toBytes();
    for (let end = 0; end < bytes.length; end++) {
      expect(() => NgramTable.fromBytes(bytes.subarray(0, end))).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, "format")),
      );
    }
    let accepted = 0;
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const broken = bytes.slice();
      broken[bit >> 3]! ^= 1 << (bit & 7);
      try {
        // Another count or id makes another table, which says exactly what the bytes say.
        expect(NgramTable.fromBytes(broken).toBytes()).toEqual(broken);
        accepted++;
      } catch (error) {
        if (!InferenceError.is(error, "format")) throw error;
      }
    }
    expect(accepted).toBeGreaterThan(0);
    expect(() => NgramTable.fromBytes(bytes, 2)).toThrow(isRange);
    for (const order of [0, 17, 1.5]) expect(() => new NgramTable(order)).toThrow(isRange);
    expect(() => new NgramTable(2, 0)).toThrow(isRange);
  });
});

describe("ngramCache", () => {
  test("demands samples and a share", async () => {
    // One token after one sample of a single token is too little, two are enough.
    expect(await draft(ngramCache(), [1, 2, 1], 1)).toEqual([]);
    expect(await draft(ngramCache(), [1, 2, 1, 2, 1], 1)).toEqual([2]);
    // After `2 1` once 3, once 4: half of two samples, the lower id.
    expect(await draft(ngramCache(), [2, 1, 4, 2, 1, 3, 2, 1], 1)).toEqual([3]);
    // The same for one token is less than 66 %.
    expect(await draft(ngramCache(), [1, 4, 5, 1, 3, 6, 1], 1)).toEqual([]);
  });

  test("asks earlier texts and a corpus where the text says nothing", async () => {
    const fixed = tableOf([[7, 8, 9, 7, 8, 9, 7, 8]], 2);
    expect(await draft(ngramCache({ fixed }), [1, 7, 8], 3)).toEqual([9, 7, 8]);
    const dynamic = tableOf([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2, 3],
    ]);
    expect(await draft(ngramCache({ dynamic }), [1, 2], 3)).toEqual([3, 4]);
    expect(await draft(ngramCache({ dynamic: tableOf([[1, 2, 3]]) }), [1, 2], 3)).toEqual([]);
  });

  test("adds a text to the earlier ones when the next begins", async () => {
    const dynamic = new NgramTable();
    const drafter = ngramCache({ dynamic });
    await draft(drafter, [1, 2, 3], 1);
    expect(dynamic.size).toBe(0);
    for (let i = 0; i < 2; i++) expect(await draft(drafter, [1, 2, 3], 1)).toEqual([]);
    expect(await draft(drafter, [1, 2], 1)).toEqual([3]);
  });

  test("equals a scan, for any texts", async () => {
    await fc.assert(
      fc.asyncProperty(
        text(2, 40),
        fc.array(text(3, 20), { maxLength: 3 }),
        fc.array(text(3, 20), { maxLength: 3 }),
        async (own, before, corpus) => {
          const drafter = ngramCache({ dynamic: tableOf(before), fixed: tableOf(corpus, 2) });
          const history = historyOf([0]);
          const tokens = [0];
          for (const token of own) {
            history.push(token);
            tokens.push(token);
            expect(await draft(drafter, history, 4)).toEqual(scan(tokens, before, corpus, 4));
          }
        },
      ),
      { seed: 2, numRuns: 60 },
    );
  });

  test("ends with a stop id, and rejects options outside their intervals", async () => {
    const repeated = [1, 2, 3, 1, 2, 3, 1, 2];
    expect(await draft(ngramCache(), repeated, 5, { stopIds: [1] })).toEqual([3, 1]);
    for (const options of [
      { maxNgram: 0 },
      { maxNgram: 5 },
      { minNgram: 0 },
      { maxNgram: 2, minNgram: 3 },
      { dynamic: new NgramTable(2) },
      { fixed: new NgramTable(1) },
    ]) {
      expect(() => ngramCache(options)).toThrow(isRange);
    }
  });

  test("does not change the text", async () => {
    const options = { dynamic: new NgramTable(), fixed: tableOf([[1, 2, 3, 1, 2, 3]], 2) };
    const drafter = ngramCache(options);
    expect(await expectEqualTexts(() => drafter)).toBeGreaterThan(100);
  });
});

describe("ngramHash", () => {
  test("drafts what last followed the n-gram, as a scan finds it", async () => {
    await fc.assert(
      fc.asyncProperty(text(2), fc.integer({ min: 1, max: 4 }), async (tokens, ngram) => {
        // With so many slots and so few n-grams none share an entry.
        const drafter = ngramHash({ ngram, slots: 2 ** 22 });
        const expected = [...tokens];
        for (let i = 0; i < 5 && tokens.length >= ngram; i++) {
          const suffix = expected.slice(-ngram).join();
          let next: number | undefined;
          for (let end = ngram; end < tokens.length; end++) {
            if (tokens.slice(end - ngram, end).join() === suffix) next = tokens[end];
          }
          if (next === undefined) break;
          expected.push(next);
        }
        expect(await draft(drafter, tokens, 5)).toEqual(expected.slice(tokens.length));
      }),
      { seed: 3, numRuns: 60 },
    );
  });

  test("rolls on token after token, and remembers earlier texts", async () => {
    const drafter = ngramHash({ ngram: 3, slots: 2 ** 16 });
    const history = historyOf([1, 2, 3]);
    for (const token of [4, 5, 6, 1, 2, 3]) {
      await draft(drafter, history, 2);
      history.push(token);
    }
    expect(await draft(drafter, history, 9)).toEqual([4, 5, 6, 1, 2, 3, 4, 5, 6]);
    expect(await draft(drafter, [4, 5, 6], 2)).toEqual([1, 2]);
    expect(await draft(drafter, [4, 5, 6], 5, { stopIds: [2] })).toEqual([1, 2]);
    expect(await draft(drafter, [5, 6], 2)).toEqual([]);
  });

  test("keeps to its table, full or not", async () => {
    const drafter = ngramHash({ ngram: 2, slots: 2 });
    const random = philox(5);
    const tokens = Array.from({ length: 500 }, (_, i) => Math.floor(9 * random.uniform(i)));
    for (const token of await draft(drafter, tokens, 8)) expect(tokens).toContain(token);
  });

  test("rejects options outside their intervals", () => {
    for (const options of [
      { ngram: 0 },
      { ngram: 65 },
      { slots: 3 },
      { slots: 0 },
      { slots: 2 ** 27 },
    ]) {
      expect(() => ngramHash(options)).toThrow(isRange);
    }
  });

  test("does not change the text", async () => {
    const drafter = ngramHash({ ngram: 2, slots: 64 });
    expect(await expectEqualTexts(() => drafter)).toBeGreaterThan(100);
  });
});

describe("ngramMap", () => {
  /** What followed every earlier occurrence of the last `n` tokens, whole, by scanning. */
  const followers = (ids: readonly number[], n: number, m: number): number[][] => {
    const found = [];
    for (let end = n; end + m <= ids.length && end < ids.length; end++) {
      if (ids.slice(end - n, end).join() === ids.slice(-n).join())
        found.push(ids.slice(end, end + m));
    }
    return found;
  };
  const long = (...letters: number[]) =>
    fc.array(fc.constantFrom(...letters), { minLength: 40, maxLength: 60 });
  const sizes = { ngram: fc.integer({ min: 1, max: 3 }), minHits: fc.integer({ min: 1, max: 3 }) };

  test("copies what followed the last occurrences alike, as a scan finds it", async () => {
    const options = fc.record({ ...sizes, mgram: fc.integer({ min: 1, max: 4 }) });
    let drafted = 0;
    await fc.assert(
      fc.asyncProperty(long(0, 1), options, async (ids, { ngram, mgram, minHits }) => {
        const drafter = ngramMap({ ngram, mgram, minHits });
        const history = historyOf([0]);
        const tokens = [0];
        for (const id of ids) {
          history.push(id);
          tokens.push(id);
          const all = followers(tokens, ngram, mgram).slice(-minHits);
          const isAlike = new Set(all.map(String)).size === 1 && all.length === minHits;
          const expected = isAlike ? all[0]!.slice(0, 3) : [];
          expect(await draft(drafter, history, 3)).toEqual(expected);
          drafted += expected.length;
        }
      }),
      { seed: 4, numRuns: 80 },
    );
    expect(drafted).toBeGreaterThan(1000);
  });

  test("of up to four continuations copies the one that dominates, as a scan counts", async () => {
    let competed = 0;
    await fc.assert(
      fc.asyncProperty(
        long(0, 1, 1, 1, 1, 1, 2, 3),
        fc.record(sizes),
        async (ids, { ngram, minHits }) => {
          // Four tokens, so that a continuation of one token never takes the place of another.
          const drafter = ngramMap({ ngram, mgram: 1, minHits, continuations: 4 });
          const history = historyOf([0]);
          const tokens = [0];
          for (const id of ids) {
            history.push(id);
            tokens.push(id);
            const all = followers(tokens, ngram, 1).flat();
            const count = (token: number) => all.filter((other) => other === token).length;
            const best = [0, 1, 2, 3].toSorted((a, b) => count(b) - count(a))[0]!;
            const others = all.length - count(best);
            const isClear = count(best) >= minHits && count(best) >= 3 * others;
            expect(await draft(drafter, history, 3)).toEqual(isClear ? [best] : []);
            if (isClear && others > 0) competed++;
          }
        },
      ),
      { seed: 5, numRuns: 150 },
    );
    expect(competed).toBeGreaterThan(50);
  });

  test("a fifth continuation takes the place of the rarest", async () => {
    const four = ngramMap({ ngram: 1, mgram: 1, continuations: 4 });
    // After 0 once 2, 3, 4, 5, then always 1, which has to outnumber three others three to one.
    const others = [0, 2, 0, 3, 0, 4, 0, 5];
    const after = (hits: number) => [
      ...others,
      ...Array.from({ length: 2 * hits }, (_, i) => i % 2),
      0,
    ];
    expect(await draft(four, after(8), 1)).toEqual([]);
    expect(await draft(four, after(9), 1)).toEqual([1]);
  });

  test("rejects options outside their intervals", () => {
    for (const options of [
      { ngram: 0 },
      { ngram: 65 },
      { mgram: 0 },
      { mgram: 1.5 },
      { minHits: 0 },
      { continuations: 5 },
    ]) {
      expect(() => ngramMap(options)).toThrow(isRange);
    }
  });

  test("ends with a stop id, and does not change the text", async () => {
    const drafter = ngramMap({ ngram: 2, mgram: 3 });
    const repeated = [1, 2, 3, 4, 5, 1, 2];
    expect(await draft(drafter, repeated, 9)).toEqual([3, 4, 5]);
    expect(await draft(drafter, repeated, 9, { stopIds: [4] })).toEqual([3, 4]);
    expect(
      await expectEqualTexts(() => ngramMap({ ngram: 1, mgram: 3, continuations: 4 })),
    ).toBeGreaterThan(50);
  });
});
