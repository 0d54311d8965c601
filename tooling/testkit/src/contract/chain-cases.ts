// oxlint-disable vitest/no-standalone-expect -- testLanguageModel wraps every case in a test.
import { expect } from "vitest";

import { expectClose, rowsOf } from "../expect-close.ts";
import { seededRandom } from "../seeded-random.ts";
import {
  append,
  expectSame,
  fill,
  fresh,
  freshLast,
  range,
  referenceOf,
  supports,
  withSequence,
  type ContractCase,
} from "./suite.ts";

/** Text in, logits out. */
export const chainCases = {
  info: {
    title: "its facts hang together",
    run: async ({ model }) => {
      const { info } = model;
      for (const count of [info.vocabSize, info.hiddenSize, info.maxLength, info.kvHeads]) {
        expect(Number.isInteger(count) && count > 0).toBe(true);
      }
      expect(info.layers).toBeGreaterThanOrEqual(0);
      expect(info.heads % info.kvHeads).toBe(0);
      expect(info.eosIds.every((id) => id >= 0 && id < info.vocabSize)).toBe(true);
      await withSequence(model, async (sequence) => {
        expect(sequence.length).toBe(0);
        expect(sequence.info).toEqual(info);
        expect(sequence.capabilities).toEqual(model.capabilities);
      });
    },
  },

  "step-by-step": {
    title: "prefill equals feeding the same tokens one by one",
    run: async (suite) => {
      const tokens = seededRandom(1).tokens(12, suite.model.info.vocabSize);
      const expected = await fresh(suite.model, tokens);
      await withSequence(suite.model, async (sequence) => {
        for (const [i, token] of tokens.entries()) {
          expectSame(suite, await append(sequence, [token]), rowsOf(expected, i));
          expect(sequence.length).toBe(i + 1);
        }
      });
    },
  },

  chunks: {
    title: "how a text is cut into blocks changes nothing",
    run: async (suite) => {
      const random = seededRandom(2);
      const tokens = random.tokens(24, suite.model.info.vocabSize);
      const expected = await fresh(suite.model, tokens);
      for (let trial = 0; trial < 6; trial++) {
        await withSequence(suite.model, async (sequence) => {
          for (let at = 0; at < tokens.length;) {
            const end = Math.min(tokens.length, at + 1 + random.below(8));
            const rows = await append(sequence, tokens.subarray(at, end), "all");
            expectSame(suite, rows, rowsOf(expected, at, end));
            at = end;
          }
        });
      }
    },
  },

  growth: {
    title: "a long text in small blocks is the same text in one, and can be cut back",
    run: async (suite) => {
      const { vocabSize, maxLength } = suite.model.info;
      const random = seededRandom(8);
      const tokens = random.tokens(Math.min(300, maxLength), vocabSize);
      await withSequence(suite.model, async (sequence) => {
        for (const part of [0.4, 0.8, 1]) {
          const goal = Math.floor(part * tokens.length);
          while (sequence.length < goal - 1) {
            const end = Math.min(goal - 1, sequence.length + 1 + random.below(12));
            await fill(sequence, tokens.subarray(sequence.length, end));
          }
          const actual = await append(sequence, [tokens[goal - 1]!]);
          expectSame(suite, actual, await freshLast(suite.model, tokens.subarray(0, goal)));
        }
        const kept = Math.floor(tokens.length / 2);
        await sequence.keep(Uint32Array.from(range(kept)));
        const expected = await freshLast(suite.model, [...tokens.subarray(0, kept), 1]);
        expectSame(suite, await append(sequence, [1]), expected);
      });
    },
  },

  reference: {
    title: "agrees with the reference on every position",
    run: async (suite) => {
      const reference = referenceOf(suite);
      const tokens = seededRandom(3).tokens(40, suite.model.info.vocabSize);
      expectSame(suite, await fresh(suite.model, tokens), await fresh(reference, tokens));
    },
  },

  "logits-kinds": {
    title: '"all" returns a row per token, "last" the last of them, "none" nothing',
    run: async (suite) => {
      const { vocabSize } = suite.model.info;
      const tokens = seededRandom(4).tokens(5, vocabSize);
      const outputs = await Promise.all(
        (["all", "last", "none"] as const).map((logits) =>
          withSequence(suite.model, async (sequence) => {
            const output = await sequence.step({ tokens }, { logits });
            expect(sequence.length).toBe(5);
            return output;
          }),
        ),
      );
      const [all, last, none] = outputs.map((output) => output.logits);
      expect([all!.rows, all!.cols, all!.data.length]).toEqual([5, vocabSize, 5 * vocabSize]);
      expect([last!.rows, last!.cols, last!.data.length]).toEqual([1, vocabSize, vocabSize]);
      expect(none).toBe(null);
      expectSame(suite, last!, rowsOf(all!, 4));
      for (const output of outputs) {
        expect([output.top, output.taps]).toEqual([null, []]);
        expect(output.runMs).toBeGreaterThanOrEqual(0);
      }
    },
  },

  "own-buffers": {
    title: "what a step returned or was given is not touched by later steps",
    run: async (suite) => {
      const { model } = suite;
      const tokens = seededRandom(5).tokens(6, model.info.vocabSize);
      const expected = await fresh(model, [...tokens, tokens[0]!]);
      await withSequence(model, async (sequence) => {
        const input = tokens.slice();
        const first = await append(sequence, { tokens: input }, "all");
        const copy = { ...first, data: first.data.slice() };
        expect(input).toEqual(tokens);
        input.fill(0);
        expectSame(suite, await append(sequence, [tokens[0]!]), rowsOf(expected, 6));
        await sequence.keep(Uint32Array.of(0));
        await fill(sequence, tokens);
        expectClose(first, copy, 0);
      });
    },
  },

  interleaved: {
    title: "sequences of one model do not see each other",
    run: async (suite) => {
      const random = seededRandom(6);
      const a = random.tokens(8, suite.model.info.vocabSize);
      const b = random.tokens(8, suite.model.info.vocabSize);
      const expected = [await fresh(suite.model, a), await fresh(suite.model, b)];
      await withSequence(suite.model, (first) =>
        withSequence(suite.model, async (second) => {
          for (let i = 0; i < 8; i++) {
            expectSame(suite, await append(first, [a[i]!]), rowsOf(expected[0]!, i));
            expectSame(suite, await append(second, [b[i]!]), rowsOf(expected[1]!, i));
          }
        }),
      );
    },
  },

  positions: {
    title: "explicit positions count, and only relative to each other",
    run: async (suite) => {
      const { model, reference } = suite;
      const random = seededRandom(7);
      const tokens = random.tokens(6, model.info.vocabSize);
      const block = { tokens, positions: Int32Array.of(3, 4, 5, 6, 7, 8) };
      if (!(await supports(suite, "positions", (sequence) => append(sequence, block)))) return;
      const shifted = await withSequence(model, (sequence) => append(sequence, block, "all"));
      expectSame(suite, shifted, await fresh(model, tokens));

      if (reference === null) return;
      for (const positions of suite.positionModes) {
        const odd = { tokens, positions: Int32Array.from(tokens, () => random.below(20)) };
        const [actual, expected] = await Promise.all(
          [model, reference].map((one) =>
            withSequence(
              one,
              async (sequence) => [
                await append(sequence, odd, "all"),
                await append(sequence, tokens, "all"),
              ],
              { positions },
            ),
          ),
        );
        expectSame(suite, actual![0]!, expected![0]!);
        expectSame(suite, actual![1]!, expected![1]!);
      }
    },
  },
} as const satisfies Record<string, ContractCase>;
