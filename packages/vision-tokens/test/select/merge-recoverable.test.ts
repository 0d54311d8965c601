import { cosine, InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { localOutlierCount, mergeRecoverable, type Reduction } from "../../src/index.ts";
import { normalRows } from "./fixtures.ts";

const n = 120;
const keys = normalRows(3, n, 8);
/** Evenly spaced, but for what a test says otherwise: nothing stands out. */
const even = (entries: Readonly<Record<number, number>> = {}) =>
  Float32Array.from({ length: n }, (_, i) => entries[i] ?? 0.01 + 1e-4 * i);

describe("mergeRecoverable", () => {
  test("keeps what stands out, and recovers what the question asks for", () => {
    const attention = even({ 5: 0.5, 50: 0.9 });
    const relevance = even({ 70: 0.6 });
    const reduction = mergeRecoverable(attention, relevance, keys);
    expect(singlesOf(reduction)).toEqual([5, 50, 70]);
    // Nothing stands out of the rest, so it makes no row.
    expect(reduction.keep.length).toBe(3);
  });

  test("a row that becomes the most relevant is always recovered", () => {
    for (const row of [0, 17, 119]) {
      const reduction = mergeRecoverable(even({ 40: 0.9 }), even({ [row]: 3 }), keys);
      expect(singlesOf(reduction)).toContain(row);
    }
  });

  test("centres take up the rest by key and relevance, and one row the remainder", () => {
    // Three values between two groups stand out, so three rows of the higher group stay; then the same
    // three stand out of the rest, and three more of that group are centres.
    const attention = even({ 40: 0.4, 60: 0.401, 80: 0.402 });
    for (let i = 0; i < 30; i++) attention[i] = 0.9 + 1e-4 * i;
    const kept = localOutlierCount(attention, 20);
    const relevance = even();
    const { keep, starts, indices, weights } = mergeRecoverable(attention, relevance, keys, {
      neighbors: 4,
    });
    const alone = singlesOf({ keep, starts, indices, weights, rows: n });
    expect(alone.length).toBe(kept);
    const rest = [...Array(n).keys()].filter((row) => !alone.includes(row));
    const centers = localOutlierCount(
      Float32Array.from(rest, (row) => attention[row]!),
      10,
    );
    expect(keep.length).toBe(kept + centers + 1);
    expect([kept, centers]).toEqual([3, 3]);
    const sums = [...keep.keys()].map((row) => [...indices.subarray(starts[row], starts[row + 1])]);
    const merged = sums.filter((rows) => rows.length > 1);
    expect(merged.filter((rows) => rows.length === 5).length).toBe(centers);
    const last = merged.find((rows) => rows.length > 5)!;
    const middles = merged.filter((rows) => rows.length === 5).map((rows) => rows[0]!);
    expect([...alone, ...middles, ...last].sort((a, b) => a - b)).toEqual([...Array(n).keys()]);
    for (const [i, row] of indices.entries()) {
      const own = keep.some((anchor, r) => anchor === row && starts[r] === i && row !== last[0]);
      expect(weights[i]).toBe(own ? 1 : attention[row]);
    }
  });

  test.each([0, 50])(
    "members resemble their own centre, a question counting %i times",
    (textWeight) => {
      const attention = even({ 40: 0.4, 60: 0.401, 80: 0.402 });
      for (let i = 0; i < 30; i++) attention[i] = 0.9 + 1e-4 * i;
      const relevance = even();
      const options = { neighbors: 4, textWeight };
      const reduction = mergeRecoverable(attention, relevance, keys, options);
      const { keep, starts, indices } = reduction;
      const alone = new Set(singlesOf(reduction));
      const rest = [...Array(n).keys()].filter((row) => !alone.has(row));
      const rowOf = (row: number) => keys.data.subarray(8 * row, 8 * row + 8);
      const centres = [...keep.keys()].filter((r) => 5 === starts[r + 1]! - starts[r]!);
      expect(centres).toHaveLength(3);
      for (const r of centres) {
        const [centre, ...members] = indices.subarray(starts[r], starts[r + 1]);
        const worth = (row: number) =>
          cosine(rowOf(centre!), rowOf(row)) + textWeight * relevance[row]!;
        const others = rest.filter((row) => row !== centre).sort((a, b) => worth(b) - worth(a));
        expect(members.sort((a, b) => a - b)).toEqual(others.slice(0, 4).sort((a, b) => a - b));
      }
    },
  );

  test("adds nothing of rows that nothing attends to", () => {
    const few = Float32Array.from({ length: n }, (_, i) => (i % 10 === 0 ? 0.5 + 1e-3 * i : 0));
    const relevance = even();
    const { keep, starts, weights } = mergeRecoverable(few, relevance, keys, { textWeight: 0 });
    for (const r of keep.keys()) {
      const others = weights.subarray(starts[r]! + 1, starts[r + 1]);
      expect(others.every((weight) => weight === 0 || weight >= 0.5)).toBe(true);
    }
  });

  test("leaves one row where nothing stands out at all", () => {
    const { keep, weights } = mergeRecoverable(even(), even(), keys);
    expect([...keep]).toEqual([n - 1]);
    expect([...weights]).toEqual([...even()]);
    const none = { data: new Float32Array(), rows: 0, cols: 8 };
    expect(mergeRecoverable(new Float32Array(), new Float32Array(), none).keep.length).toBe(0);
  });

  test("refuses what does not fit", () => {
    expect(() => mergeRecoverable(even(), new Float32Array(3), keys)).toThrow(
      new InferenceError("shape", "relevance: expected 120 entries, got 3"),
    );
    expect(() => mergeRecoverable(even({ 3: -1 }), even(), keys)).toThrow("got -1 at 3");
  });
});

/** The anchors of rows that are nothing but themselves. */
function singlesOf({ keep, starts, weights }: Reduction): number[] {
  return [...keep].filter((_, r) => {
    const terms = weights.subarray(starts[r], starts[r + 1]);
    return terms.length === 1 && terms[0] === 1;
  });
}
