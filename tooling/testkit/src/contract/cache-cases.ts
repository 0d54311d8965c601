// oxlint-disable vitest/no-standalone-expect -- testLanguageModel wraps every case in a test.
import { expect } from "vitest";

import { seededRandom } from "../seeded-random.ts";
import {
  append,
  expectRefusal,
  expectSame,
  fill,
  freshLast,
  range,
  referenceOf,
  supports,
  withSequence,
  type ContractCase,
} from "./suite.ts";

/** Rolling back, evicting and forking. */
export const cacheCases = {
  rollback: {
    title: "keeping a prefix undoes what came after it",
    run: async (suite) => {
      const { model } = suite;
      const random = seededRandom(41);
      const text = random.tokens(7, model.info.vocabSize);
      const other = random.tokens(2, model.info.vocabSize);
      for (const positions of suite.positionModes) {
        for (const kept of [6, 3, 1, 0]) {
          const expected = await freshLast(model, [...text.subarray(0, kept), ...other]);
          await withSequence(
            model,
            async (sequence) => {
              await fill(sequence, text);
              await sequence.keep(Uint32Array.from(range(kept)));
              expect(sequence.length).toBe(kept);
              expectSame(suite, await append(sequence, other), expected);
            },
            { positions },
          );
        }
      }
    },
  },

  "keep-all": {
    title: "keeping everything changes nothing",
    run: async (suite) => {
      const text = seededRandom(42).tokens(6, suite.model.info.vocabSize);
      const expected = await freshLast(suite.model, [...text, 1]);
      await withSequence(suite.model, async (sequence) => {
        await fill(sequence, text);
        await sequence.keep(Uint32Array.from(range(6)));
        expect(sequence.length).toBe(6);
        expectSame(suite, await append(sequence, [1]), expected);
      });
    },
  },

  evict: {
    title: "random evictions give the reference's logits, with either numbering",
    run: async (suite) => {
      const { model } = suite;
      const gap = Uint32Array.of(0, 2);
      if (!(await supports(suite, "evict", (sequence) => sequence.keep(gap)))) return;
      const reference = referenceOf(suite);
      const random = seededRandom(43);
      for (let trial = 0; trial < 8; trial++) {
        const options = { positions: suite.positionModes[trial % suite.positionModes.length]! };
        const actual = await model.createSequence(options);
        const expected = await reference.createSequence(options);
        for (let round = 0; round < 6; round++) {
          const text = random.tokens(1 + random.below(6), model.info.vocabSize);
          expectSame(suite, await append(actual, text, "all"), await append(expected, text, "all"));
          const slots = random.subset(expected.length, 0.7);
          await actual.keep(slots);
          await expected.keep(slots);
          expect(actual.length).toBe(slots.length);
        }
        await actual.dispose();
        await expected.dispose();
      }
    },
  },

  "keep-explicit": {
    title: "keep moves rows with explicit positions to their slots, or leaves them there",
    run: async (suite) => {
      const { model } = suite;
      if (!model.capabilities.positions || !model.capabilities.evict) return;
      const reference = referenceOf(suite);
      const text = seededRandom(44).tokens(5, model.info.vocabSize);
      for (const positions of suite.positionModes) {
        for (const slots of [Uint32Array.of(1, 2, 4), Uint32Array.of(0, 1, 2)]) {
          const [actual, expected] = await Promise.all(
            [model, reference].map((one) =>
              withSequence(
                one,
                async (sequence) => {
                  const spread = Int32Array.of(2, 3, 9, 10, 17);
                  await append(sequence, { tokens: text, positions: spread });
                  await sequence.keep(slots);
                  return append(sequence, text, "all");
                },
                { positions },
              ),
            ),
          );
          expectSame(suite, actual!, expected!);
        }
      }
    },
  },

  "keep-refusals": {
    title: "keep refuses slots outside the cache or out of order, and changes nothing",
    run: async (suite) => {
      const expected = await freshLast(suite.model, [1, 2, 3, 1]);
      await withSequence(suite.model, async (sequence) => {
        await fill(sequence, [1, 2, 3]);
        for (const slots of [[3], [0, 1, 2, 3], [1, 0], [1, 1], [0xffffffff], [0, 2, 1]]) {
          await expectRefusal(() => sequence.keep(Uint32Array.from(slots)), "range");
          expect(sequence.length).toBe(3);
        }
        expectSame(suite, await append(sequence, [1]), expected);
      });
    },
  },

  fork: {
    title: "a fork and its origin go their own ways",
    run: async (suite) => {
      const { model } = suite;
      const a = [1, 2];
      const b = [3];
      const c = [2, 1];
      await withSequence(model, async (sequence) => {
        await fill(sequence, [2, 3, 1]);
        const fork = await sequence.fork();
        expect(fork.length).toBe(3);
        expectSame(suite, await append(sequence, a), await freshLast(model, [2, 3, 1, ...a]));
        expectSame(suite, await append(fork, b), await freshLast(model, [2, 3, 1, ...b]));
        expect([sequence.length, fork.length]).toEqual([5, 4]);
        expectSame(suite, await append(fork, c), await freshLast(model, [2, 3, 1, ...b, ...c]));
        expectSame(suite, await append(sequence, c), await freshLast(model, [2, 3, 1, ...a, ...c]));
        await fork.dispose();
      });
    },
  },

  "fork-keep": {
    title: "keep on a fork or on its origin leaves the other alone",
    run: async (suite) => {
      const { model } = suite;
      await withSequence(model, async (sequence) => {
        await fill(sequence, [2, 3, 1, 2]);
        const first = await sequence.fork();
        const second = await sequence.fork();
        await first.keep(Uint32Array.of(0));
        await sequence.keep(Uint32Array.of(0, 1));
        expectSame(suite, await append(first, [1]), await freshLast(model, [2, 1]));
        expectSame(suite, await append(second, [3]), await freshLast(model, [2, 3, 1, 2, 3]));
        expectSame(suite, await append(sequence, [2]), await freshLast(model, [2, 3, 2]));
        await first.dispose();
        await second.dispose();
      });
    },
  },

  "fork-dispose": {
    title: "a fork outlives its origin, and the other way round",
    run: async (suite) => {
      const { model } = suite;
      const sequence = await model.createSequence();
      await fill(sequence, [2, 3, 1]);
      const fork = await sequence.fork();
      const grandchild = await fork.fork();
      await fork.dispose();
      expectSame(suite, await append(sequence, [2]), await freshLast(model, [2, 3, 1, 2]));
      await sequence.dispose();
      expectSame(suite, await append(grandchild, [3]), await freshLast(model, [2, 3, 1, 3]));
      await grandchild.dispose();
    },
  },

  "fork-positions": {
    title: "a fork of an evicted cache continues like its origin, with either numbering",
    run: async (suite) => {
      if (!suite.model.capabilities.evict) return;
      for (const positions of suite.positionModes) {
        await withSequence(
          suite.model,
          async (sequence) => {
            await fill(sequence, [2, 3, 1, 2, 3]);
            await sequence.keep(Uint32Array.of(0, 3, 4));
            const fork = await sequence.fork();
            const expected = await append(fork, [1, 3], "all");
            await fork.dispose();
            expectSame(suite, await append(sequence, [1, 3], "all"), expected);
          },
          { positions },
        );
      }
    },
  },
} as const satisfies Record<string, ContractCase>;
