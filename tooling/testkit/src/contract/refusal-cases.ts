// oxlint-disable vitest/no-standalone-expect -- testLanguageModel wraps every case in a test.
import type { AbortLike, Block, InferenceErrorCode, StepOptions } from "@frugal/core";
import { expect } from "vitest";

import { seededRandom } from "../seeded-random.ts";
import {
  append,
  expectRefusal,
  expectSame,
  fill,
  freshLast,
  withSequence,
  type ContractCase,
  type Suite,
} from "./suite.ts";

/** Bad arguments, aborts and the end of life. */
export const refusalCases = {
  "bad-tokens": {
    title: "refuses ids outside the vocabulary, no rows, and neither or both kinds of rows",
    run: async (suite) => {
      const { vocabSize, hiddenSize } = suite.model.info;
      const tokens = Uint32Array.of(1);
      const embeddings = { data: new Float32Array(hiddenSize), rows: 1, cols: hiddenSize };
      await expectBlocksRefused(suite, [
        [{ tokens: Uint32Array.of(1, vocabSize) }, "range"],
        [{ tokens: Uint32Array.of(0xffffffff) }, "range"],
        [{ tokens: new Uint32Array(0) }, "shape", "range"],
        [{}, "shape"],
        [{ tokens, embeddings }, "shape"],
      ]);
    },
  },

  "bad-embeddings": {
    title: "refuses embeddings of another width or with missing values",
    run: async (suite) => {
      if (!suite.model.capabilities.embeddings) return;
      const d = suite.model.info.hiddenSize;
      const data = new Float32Array(2 * d);
      await expectBlocksRefused(suite, [
        [{ embeddings: { data, rows: 1, cols: 2 * d } }, "shape"],
        [{ embeddings: { data, rows: 3, cols: d } }, "shape"],
        [{ embeddings: { data: data.subarray(1), rows: 2, cols: d } }, "shape"],
        [{ embeddings: { data: new Float32Array(0), rows: 0, cols: d } }, "shape", "range"],
      ]);
    },
  },

  "bad-features": {
    title: "refuses features where the model reads no other",
    run: async (suite) => {
      if (suite.model.info.reads !== undefined) return;
      const d = suite.model.info.hiddenSize;
      const features = [{ data: new Float32Array(d), rows: 1, cols: d }];
      const block = { tokens: Uint32Array.of(1), features };
      await expectBlocksRefused(suite, [[block, "unsupported"]]);
    },
  },

  "bad-parents": {
    title: "refuses parents that do not precede their children",
    run: async (suite) => {
      if (!suite.model.capabilities.tree) return;
      const tokens = Uint32Array.of(1, 2, 3);
      const notNumbers = Float64Array.of(-1, Number.NaN, 0.5) as unknown as Int32Array;
      await expectBlocksRefused(suite, [
        [{ tokens, parents: Int32Array.of(-1, 0) }, "shape"],
        [{ tokens, parents: Int32Array.of(-1, 0, 1, 2) }, "shape"],
        [{ tokens, parents: Int32Array.of(0, 0, 1) }, "range"],
        [{ tokens, parents: Int32Array.of(-1, 1, 0) }, "range"],
        [{ tokens, parents: Int32Array.of(-1, 2, 1) }, "range"],
        [{ tokens, parents: Int32Array.of(-1, 0, -3) }, "range"],
        [{ tokens, parents: Int32Array.of(-1, 0, 0x7fffffff) }, "range"],
        [{ tokens, parents: Int32Array.of(-1, 0, -0x80000000) }, "range"],
        [{ tokens, parents: notNumbers }, "range", "shape"],
      ]);
    },
  },

  "bad-positions": {
    title: "refuses positions that are missing or outside the model's",
    run: async (suite) => {
      const { maxLength } = suite.model.info;
      const tokens = Uint32Array.of(1, 2);
      // One row is cached, so that many more do not fit.
      await expectBlocksRefused(suite, [[{ tokens: new Uint32Array(maxLength) }, "range"]]);
      if (!suite.model.capabilities.positions) return;
      await expectBlocksRefused(suite, [
        [{ tokens, positions: Int32Array.of(1) }, "shape"],
        [{ tokens, positions: Int32Array.of(1, 2, 3) }, "shape"],
        [{ tokens, positions: Int32Array.of(1, -1) }, "range"],
        [{ tokens, positions: Int32Array.of(1, maxLength) }, "range"],
        [{ tokens, positions: Int32Array.of(-0x80000000, 0x7fffffff) }, "range"],
      ]);
    },
  },

  "bad-outputs": {
    title: "refuses a top below one and taps that are no layer",
    run: async (suite) => {
      const { capabilities, info } = suite.model;
      const refused: StepOptions[] = [];
      if (capabilities.top) {
        for (const top of [0, -1, 1.5, Number.NaN]) refused.push({ logits: { top } });
      }
      if (capabilities.taps) {
        for (const tap of [-1, info.layers + 1, 0.5, Number.NaN]) {
          refused.push({ logits: "none", taps: [tap] });
        }
      }
      const expected = await freshLast(suite.model, [1, 2]);
      await withSequence(suite.model, async (sequence) => {
        await fill(sequence, [1]);
        for (const options of refused) {
          await expectRefusal(() => sequence.step({ tokens: Uint32Array.of(2) }, options), "range");
          expect(sequence.length).toBe(1);
        }
        expectSame(suite, await append(sequence, [2]), expected);
      });
    },
  },

  aborted: {
    title: "a signal that is already aborted stops a step before it starts",
    run: async (suite) => {
      const expected = await freshLast(suite.model, [1, 2, 3]);
      await withSequence(suite.model, async (sequence) => {
        await fill(sequence, [1, 2]);
        const reason = new Error("enough");
        const signal = AbortSignal.abort(reason);
        const step = sequence.step({ tokens: Uint32Array.of(1) }, { logits: "last", signal });
        await expect(step).rejects.toBe(reason);
        expect(sequence.length).toBe(2);
        expectSame(suite, await append(sequence, [3]), expected);
      });
    },
  },

  "abort-midway": {
    title: "an abort during a long block leaves the cache as it was",
    run: async (suite) => {
      const { model } = suite;
      const length = Math.min(100, model.info.maxLength - 3);
      const tokens = seededRandom(51).tokens(length, model.info.vocabSize);
      const expected = await freshLast(model, [1, 2, 3]);
      const reason = new Error("enough");
      for (const signal of [abortAtLook(2, reason), abortAtLook(3, reason), abortSoon(reason)]) {
        await withSequence(model, async (sequence) => {
          await fill(sequence, [1, 2]);
          const outcome = await sequence
            .step({ tokens }, { logits: "none", signal: signal() })
            .then(
              () => "finished",
              (error: unknown) => error,
            );
          expect(["finished", reason]).toContain(outcome);
          if (outcome === "finished") await sequence.keep(Uint32Array.of(0, 1));
          expect(sequence.length).toBe(2);
          expectSame(suite, await append(sequence, [3]), expected);
        });
      }
    },
  },

  disposed: {
    title: "a disposed sequence says so, and may be disposed again",
    run: async ({ model }) => {
      const sequence = await model.createSequence();
      await fill(sequence, [1, 2]);
      await sequence.dispose();
      await expectRefusal(() => append(sequence, [1]), "state");
      await expectRefusal(() => sequence.keep(Uint32Array.of(0)), "state");
      await expectRefusal(() => sequence.fork(), "state");
      await sequence.dispose();
    },
  },

  "model-disposed": {
    title: "a disposed model takes its sequences along, and may be disposed again",
    run: async ({ load }) => {
      const model = await load();
      const sequence = await model.createSequence();
      await fill(sequence, [1]);
      await model.dispose();
      await expectRefusal(() => append(sequence, [1]), "state");
      await expectRefusal(() => model.createSequence(), "state");
      await sequence.dispose();
      await model.dispose();
    },
  },
} as const satisfies Record<string, ContractCase>;

type Refused = [block: Block, ...codes: InferenceErrorCode[]];

/** After one cached token every block is refused and the cache stays as it was. */
async function expectBlocksRefused(suite: Suite, blocks: Refused[]): Promise<void> {
  const expected = await freshLast(suite.model, [1, 2]);
  await withSequence(suite.model, async (sequence) => {
    await fill(sequence, [1]);
    for (const [block, ...codes] of blocks) {
      await expectRefusal(() => sequence.step(block, { logits: "last" }), ...codes);
      expect(sequence.length).toBe(1);
    }
    expectSame(suite, await append(sequence, [2]), expected);
  });
}

/** A signal that turns aborted when it is looked at for the `count`-th time. */
function abortAtLook(count: number, reason: Error): () => AbortLike {
  return () => {
    let looks = 0;
    return {
      get aborted() {
        return ++looks >= count;
      },
      reason,
      addEventListener: () => {},
      removeEventListener: () => {},
    };
  };
}

/** A real signal that aborts as soon as the step lets other work run. */
function abortSoon(reason: Error): () => AbortLike {
  return () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason));
    return controller.signal;
  };
}
