// oxlint-disable vitest/no-standalone-expect -- testLanguageModel wraps every case in a test.
import { logSumExp, type LanguageModel, type Matrix, type Tap, type TopLogits } from "@frugal/core";
import { expect } from "vitest";

import { rowsOf } from "../expect-close.ts";
import { seededRandom } from "../seeded-random.ts";
import {
  append,
  expectSame,
  expectSameScale,
  fresh,
  referenceOf,
  supports,
  withSequence,
  type ContractCase,
  type Suite,
} from "./suite.ts";

/** Reduced logits, hidden states, and embeddings as input. */
export const outputCases = {
  top: {
    title: "the top logits are those of the full rows, in order, with their log-sum-exp",
    run: async (suite) => {
      const { model } = suite;
      const { vocabSize } = model.info;
      const tokens = seededRandom(21).tokens(6, vocabSize);
      const step = (top: number, rows?: "all" | "last"): Promise<TopLogits> =>
        withSequence(model, async (sequence) => {
          const logits = rows === undefined ? { top } : { top, rows };
          const output = await sequence.step({ tokens }, { logits });
          expect(output.logits).toBe(null);
          expect(sequence.length).toBe(tokens.length);
          return output.top!;
        });
      const attempt = { tokens: Uint32Array.of(1) };
      const supported = await supports(suite, "top", (sequence) =>
        sequence.step(attempt, { logits: { top: 1 } }),
      );
      if (!supported) return;

      const full = await fresh(model, tokens);
      for (const count of [1, 5, vocabSize, vocabSize + 9]) {
        const all = await step(count);
        expect([all.rows, all.k]).toEqual([tokens.length, Math.min(count, vocabSize)]);
        for (let r = 0; r < all.rows; r++) expectTopOfRow(suite, all, r, full, r);
      }
      expect((await step(3, "all")).rows).toBe(tokens.length);
      const last = await step(3, "last");
      expect([last.rows, last.k]).toEqual([1, 3]);
      expectTopOfRow(suite, last, 0, full, tokens.length - 1);
    },
  },

  taps: {
    title: "taps return the states between the layers, in the order of the request",
    run: async (suite) => {
      const { model, reference } = suite;
      const { layers, hiddenSize, vocabSize } = model.info;
      const tokens = seededRandom(22).tokens(5, vocabSize);
      const wanted: readonly Tap[] = [layers, 0, "final", Math.floor(layers / 2)];
      const tap = (
        one: LanguageModel,
        tapRows: "all" | "last" = "all",
      ): Promise<readonly Matrix[]> =>
        withSequence(one, async (sequence) => {
          const first = { tokens: tokens.subarray(0, 2) };
          const before = await sequence.step(first, { logits: "none", taps: [0] });
          expect([before.taps.length, before.taps[0]!.rows]).toEqual([1, 2]);
          const rest = { tokens: tokens.subarray(2) };
          const all = { logits: "last", taps: wanted, tapRows } as const;
          return (await sequence.step(rest, all)).taps;
        });
      const supported = await supports(suite, "taps", (sequence) =>
        sequence.step({ tokens }, { logits: "last", taps: [0] }),
      );
      if (!supported) return;

      const taps = await tap(model);
      expect(taps.map(({ rows, cols }) => [rows, cols])).toEqual(wanted.map(() => [3, hiddenSize]));
      for (const [i, last] of (await tap(model, "last")).entries()) {
        expectSame(suite, last, rowsOf(taps[i]!, 2));
      }
      if (reference === null) return;
      for (const [i, expected] of (await tap(reference)).entries()) {
        expectSameScale(suite, taps[i]!, expected);
      }
    },
  },

  embeddings: {
    title: "embedding rows of tokens do what the tokens do",
    run: async (suite) => {
      const { model } = suite;
      const { hiddenSize, vocabSize } = model.info;
      const zero = { data: new Float32Array(hiddenSize), rows: 1, cols: hiddenSize };
      const supported = await supports(suite, "embeddings", (sequence) =>
        append(sequence, { embeddings: zero }),
      );
      if (!supported) return;
      const source = model.capabilities.taps ? model : referenceOf(suite);

      const tokens = seededRandom(23).tokens(7, vocabSize);
      const embeddings = await withSequence(source, async (sequence) => {
        const output = await sequence.step({ tokens }, { logits: "none", taps: [0] });
        return output.taps[0]!;
      });
      const expected = await fresh(model, tokens);
      await withSequence(model, async (sequence) => {
        expectSame(suite, await append(sequence, { embeddings }, "all"), expected);
      });
      await withSequence(model, async (sequence) => {
        const [head, tail] = [tokens.subarray(0, 3), tokens.subarray(3)];
        await append(sequence, { tokens: head });
        const rows = { ...embeddings, data: embeddings.data.subarray(3 * hiddenSize), rows: 4 };
        const actual = await append(sequence, { embeddings: rows }, "all");
        const { data, cols } = expected;
        const end = { data: data.subarray(3 * cols), rows: tail.length, cols };
        expectSame(suite, actual, end);
      });
    },
  },
} as const satisfies Record<string, ContractCase>;

/** Row `r` of `top` holds the largest entries of row `from` of the full logits. */
function expectTopOfRow(
  { tolerance }: Suite,
  top: TopLogits,
  r: number,
  full: Matrix,
  from: number,
): void {
  const { k } = top;
  const row = full.data.subarray(from * full.cols, (from + 1) * full.cols);
  const ids = top.ids.subarray(r * k, (r + 1) * k);
  const values = top.values.subarray(r * k, (r + 1) * k);
  const chosen = new Set(ids);
  expect(chosen.size).toBe(k);
  for (let j = 0; j < k; j++) {
    expect(Math.abs(values[j]! - row[ids[j]!]!)).toBeLessThanOrEqual(tolerance);
    if (j === 0) continue;
    const ordered =
      values[j]! < values[j - 1]! || (values[j] === values[j - 1] && ids[j]! > ids[j - 1]!);
    expect(ordered, `entries ${j - 1} and ${j}`).toBe(true);
  }
  for (const [id, value] of row.entries()) {
    if (!chosen.has(id)) expect(value).toBeLessThanOrEqual(values[k - 1]! + tolerance);
  }
  const sum = Math.fround(logSumExp(row, 0, row.length));
  expect(Math.abs(top.logSumExp[r]! - sum)).toBeLessThanOrEqual(tolerance);
}
