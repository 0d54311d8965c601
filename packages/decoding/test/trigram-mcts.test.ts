import { InferenceError, philox } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createTrigramSearch, selectionValue } from "../src/drafters/trigram-search.ts";
import { trigramMcts, TrigramTable } from "../src/index.ts";
import { expectEqualTexts } from "./equal-text.ts";
import { propose } from "./propose.ts";

const isRange = expect.toSatisfy((error: unknown) => InferenceError.is(error, "range"));
const tableOf = (texts: readonly (readonly number[])[], width = 12): TrigramTable =>
  TrigramTable.fromTexts(
    texts.map((text) => Uint32Array.from(text)),
    { width },
  );
const rowOf = (table: TrigramTable, a: number, b: number): [number, number][] => {
  const row = table.rowOf(a, b);
  const entries: [number, number][] = [];
  if (row < 0) return entries;
  for (let i = 0; table.tokenAt(row, i) >= 0; i++) {
    entries.push([table.tokenAt(row, i), table.weightAt(row, i)]);
  }
  return entries;
};

describe("the trigram table", () => {
  test("has the relative frequencies of a scan, the most frequent successors first", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(3), { maxLength: 60 }), { maxLength: 4 }),
        fc.integer({ min: 1, max: 5 }),
        (texts, width) => {
          const table = tableOf(texts, width);
          for (const [a, b] of [
            [0, 0],
            [1, 2],
            [3, 0],
          ] as const) {
            const counts = new Map<number, number>();
            let total = 0;
            for (const text of texts) {
              for (let i = 2; i < text.length; i++) {
                if (text[i - 2] !== a || text[i - 1] !== b) continue;
                counts.set(text[i]!, (counts.get(text[i]!) ?? 0) + 1);
                total++;
              }
            }
            const expected = [...counts]
              .sort((x, y) => y[1] - x[1] || x[0] - y[0])
              .slice(0, width)
              .map(([token, count]) => [token, Math.fround(count / total)]);
            expect(rowOf(table, a, b)).toEqual(expected);
          }
          const bytes = table.toBytes();
          expect(TrigramTable.fromBytes(bytes).toBytes()).toEqual(bytes);
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });

  test("gains weight up to a ceiling, and makes room for what is heavier", () => {
    const table = new TrigramTable({ width: 2 });
    for (let i = 0; i < 10; i++) table.reinforce(1, 2, 3);
    expect(rowOf(table, 1, 2)).toEqual([[3, expect.closeTo(0.4, 6)]]);
    for (let i = 0; i < 100; i++) table.reinforce(1, 2, 3);
    table.reinforce(1, 2, 5);
    table.reinforce(1, 2, 4);
    table.reinforce(1, 2, 9);
    expect(rowOf(table, 1, 2)).toEqual([
      [3, 3],
      [4, Math.fround(0.04)],
    ]);
    for (let i = 0; i < 200; i++) table.reinforce(1, 2, 4);
    // Both at the ceiling: the lower id first.
    expect(rowOf(table, 1, 2).map(([token]) => token)).toEqual([3, 4]);
  });

  test("takes no more pairs than it may", () => {
    const table = new TrigramTable({ maxPairs: 3 });
    for (let i = 0; i < 50; i++) table.reinforce(i, i + 1, 0);
    expect(table.size).toBe(3);
    expect(table.rowOf(20, 21)).toBe(-1);
  });

  test("refuses bytes that are no table", () => {
    const bytes = tableOf([[1, 2, 1, 2, 3, 1, 2, 3]], 3).toBytes();
    for (let end = 0; end < bytes.length; end++) {
      expect(() => TrigramTable.fromBytes(bytes.subarray(0, end))).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, "format")),
      );
    }
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const broken = bytes.slice();
      broken[bit >> 3]! ^= 1 << (bit & 7);
      try {
        expect(TrigramTable.fromBytes(broken).toBytes()).toEqual(broken);
      } catch (error) {
        if (!InferenceError.is(error, "format")) throw error;
      }
    }
    expect(() => TrigramTable.fromBytes(bytes, 1)).toThrow(isRange);
    for (const options of [{ width: 0 }, { width: 65 }, { maxPairs: 0 }]) {
      expect(() => new TrigramTable(options)).toThrow(isRange);
    }
  });
});

describe("the search", () => {
  test("selects by the rule", () => {
    expect(selectionValue(2, 1, 5, 0.3)).toBeCloseTo(12.920827, 6);
    expect(selectionValue(3, 2, 5, 0.1)).toBeCloseTo(3.92685, 6);
    expect(selectionValue(0, 0, 5, 0.1)).toBe(Infinity);
  });

  test("visits a child of the root in every round, and children no more often than parents", () => {
    const random = philox(1);
    const text = Array.from({ length: 600 }, (_, i) => Math.floor(6 * random.uniform(i)));
    const table = tableOf([text]);
    for (const iterations of [1, 7, 150]) {
      const search = createTrigramSearch(table, iterations, 3);
      let draws = 0;
      search.run(text[0]!, text[1]!, () => random.uniform(1, 1, draws++));
      expect(search.visitsOf(0)).toBe(iterations);
      const nodes = search.mostVisited(10_000, 64, new Set());
      const below = new Map<number, number>();
      for (const node of nodes) {
        const parent = search.parentOf(node);
        below.set(parent, (below.get(parent) ?? 0) + search.visitsOf(node));
      }
      expect(below.get(0)).toBe(iterations);
      for (const [node, sum] of below) {
        // Only the round that came to a node by expanding its parent may have ended there.
        expect(search.visitsOf(node) - sum).toBeOneOf([0, 1]);
      }
    }
  });
});

describe("trigramMcts", () => {
  const cycle = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3];

  test("drafts a cycle of trigrams verbatim", async () => {
    const drafter = trigramMcts({ table: tableOf([cycle]) });
    expect([...(await propose(drafter, [4, 5], 9)).tokens]).toEqual([1, 2, 3, 4, 5, 1, 2, 3, 4]);
    const tree = await propose(drafter, [4, 5], 9, { tree: true });
    expect([...tree.tokens]).toEqual([1, 2, 3, 4]);
    expect([...tree.parents!]).toEqual([-1, 0, 1, 2]);
  });

  test("learns from the text it follows", async () => {
    const table = new TrigramTable();
    const drafter = trigramMcts({ table });
    expect((await propose(drafter, [7], 4)).tokens).toHaveLength(0);
    expect([...(await propose(drafter, cycle, 4)).tokens]).toEqual([4, 5, 1, 2]);
    expect(table.size).toBe(5);
    // Only the last sixteen tokens are noted, each time again.
    await propose(drafter, [9, 9, 9, ...Array.from({ length: 14 }, (_, i) => 20 + i)], 1);
    expect(rowOf(table, 9, 9)).toEqual([[20, Math.fround(0.04)]]);
  });

  test("keeps to its bounds, and drafts nothing below a stop id", async () => {
    const random = philox(2);
    const text = Array.from({ length: 3000 }, (_, i) => Math.floor(9 * random.uniform(i)));
    const table = tableOf([text]);
    for (const budget of [1, 5, 64]) {
      for (const maxTokens of [1, 8, 100]) {
        for (const maxDepth of [1, 2, 9]) {
          const drafter = trigramMcts({ table, budget });
          const options = { tree: true, maxDepth, stopIds: [3] };
          const { tokens, parents } = await propose(drafter, text.slice(0, 50), maxTokens, options);
          expect(tokens.length).toBeGreaterThan(0);
          expect(tokens.length).toBeLessThanOrEqual(Math.min(budget, maxTokens));
          const seen = new Set<string>();
          const depths: number[] = [];
          for (const [i, parent] of [...parents!].entries()) {
            expect(parent).toBeLessThan(i);
            depths.push(parent < 0 ? 1 : depths[parent]! + 1);
            expect(depths[i]).toBeLessThanOrEqual(Math.min(maxDepth, 4));
            expect(tokens[parent]).not.toBe(3);
            seen.add(`${parent} ${tokens[i]}`);
          }
          expect(seen.size).toBe(tokens.length);
        }
      }
    }
  });

  test("is a function of the text and the table", async () => {
    const make = () =>
      trigramMcts({ table: tableOf([[1, 2, 3, 1, 2, 4, 1, 2, 5, 2, 1, 2, 2, 3]]) });
    const first = await propose(make(), [1, 2, 3, 1, 2], 20, { tree: true });
    const second = await propose(make(), [1, 2, 3, 1, 2], 20, { tree: true });
    expect(second).toEqual(first);
  });

  test("rejects options outside their intervals", () => {
    const table = new TrigramTable();
    for (const options of [
      { iterations: 0 },
      { iterations: 10_001 },
      { depth: 0 },
      { depth: 65 },
      { paths: 1.5 },
      { budget: Number.NaN },
    ]) {
      expect(() => trigramMcts({ table, ...options })).toThrow(isRange);
    }
  });

  test("does not change the text, whatever the table", async () => {
    const random = philox(3);
    const noise = Array.from({ length: 900 }, (_, i) => Math.floor(12 * random.uniform(i)));
    for (const tree of [true, false]) {
      const table = tableOf([noise]);
      const make = () => trigramMcts({ table, iterations: 40 });
      expect(await expectEqualTexts(make, 30, { tree })).toBeGreaterThan(20);
    }
  });
});
