import fc from "fast-check";
import { expect, test } from "vitest";
import { mergeLong, mergeShort } from "../src/models/bpe-merge.ts";
import { NO_RANK, PairTable } from "../src/models/pair-table.ts";

type Merge = readonly [left: number, right: number, merged: number];

/** Merges as the definition says: over and over, the first of the pairs of lowest rank. */
function mergeNaively(symbols: readonly number[], merges: readonly Merge[]): number[] {
  const list = [...symbols];
  for (;;) {
    let best: { rank: number; at: number } | null = null;
    for (let at = 0; at + 1 < list.length; at++) {
      const rank = merges.findLastIndex(([a, b]) => a === list[at] && b === list[at + 1]);
      if (rank >= 0 && (best === null || rank < best.rank)) best = { rank, at };
    }
    if (best === null) return list;
    list.splice(best.at, 2, merges[best.rank]![2]);
  }
}

function tableOf(merges: readonly Merge[]): PairTable {
  const table = new PairTable(merges.length);
  merges.forEach(([left, right, merged], rank) => table.set(left, right, rank, merged));
  return table;
}

const symbol = fc.integer({ min: 0, max: 9 });
const merges = fc.array(fc.tuple(symbol, symbol, symbol), { maxLength: 30 });

test("both ways of merging agree with the definition", () => {
  fc.assert(
    fc.property(fc.array(symbol, { maxLength: 60 }), merges, (symbols, list) => {
      const expected = mergeNaively(symbols, list);
      const table = tableOf(list);
      const short = Uint32Array.from(symbols);
      const n = mergeShort(short, symbols.length, table, new Uint32Array(symbols.length));
      expect([...short.subarray(0, n)]).toEqual(expected);
      const long = Uint32Array.from(symbols);
      expect([...long.subarray(0, mergeLong(long, symbols.length, table))]).toEqual(expected);
    }),
    { numRuns: 3000 },
  );
});

test("a pair table knows its pairs and no others", () => {
  const pair = fc.tuple(fc.nat(2 ** 24 - 1), fc.nat(2 ** 24 - 1));
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 200 }), pair, (pairs, other) => {
      const table = new PairTable(pairs.length);
      pairs.forEach(([left, right], rank) => table.set(left, right, rank, rank + 7));
      const rankOf = ([left, right]: readonly [number, number]): number =>
        pairs.findLastIndex(([a, b]) => a === left && b === right);
      for (const each of pairs) {
        const rank = table.rankOf(each[0], each[1]);
        expect(rank).toBe(rankOf(each));
        expect(table.mergedBy(rank)).toBe(rank + 7);
      }
      const rank = rankOf(other);
      expect(table.rankOf(other[0], other[1])).toBe(rank < 0 ? NO_RANK : rank);
    }),
    { numRuns: 200 },
  );
});
