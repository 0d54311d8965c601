import type { Block, LanguageModel, Matrix, Sequence } from "@frugal/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { expectRefusal, pathTo, positionModes, range, withSequence } from "./contract/suite.ts";
import { expectClose, rowsOf } from "./expect-close.ts";
import type { LayerRange } from "./reference-config.ts";
import { seededRandom } from "./seeded-random.ts";

/** Options of {@link testLayerRanges}. */
export interface LayerRangeOptions {
  /** The same weights in the reference transformer, all layers or a range of them. */
  readonly reference: (layers?: LayerRange) => Promise<LanguageModel>;
  /** Largest absolute difference between logits that should be equal. Default 1e-4. */
  readonly tolerance?: number;
}

/**
 * Registers what a model that can be loaded in ranges of layers must satisfy: ranges that run one
 * after the other are the whole model, for every split in two and every kind of block.
 */
export function testLayerRanges(
  name: string,
  load: (layers: LayerRange) => Promise<LanguageModel>,
  { reference, tolerance = 1e-4 }: LayerRangeOptions,
): void {
  describe(`ranges of layers of ${name}`, { timeout: 120_000 }, () => {
    let whole: LanguageModel;
    const halves: (readonly [LanguageModel, LanguageModel])[] = [];
    beforeAll(async () => {
      whole = await reference();
      const { layers } = whole.info;
      for (let cut = 1; cut < layers; cut++) {
        halves.push([await load([0, cut]), await load([cut, layers])]);
      }
    }, 120_000);
    afterAll(async () => {
      for (const model of [whole, ...halves.flat()]) await model.dispose();
    });

    /** Does the same to a chain of ranges and to the whole model, and compares the logits. */
    const compare = async (
      run: (step: (block: Block) => Promise<void>, keep: Keep) => Promise<void>,
      positions: (typeof positionModes)[number] = "cache-relative",
    ): Promise<void> => {
      for (const [first, second] of halves) {
        const parts = [
          await first.createSequence({ positions }),
          await second.createSequence({ positions }),
        ] as const;
        const all = await whole.createSequence({ positions });
        await run(
          async (block) => {
            const { logits } = await all.step(block, { logits: "all" });
            expectClose(await runChain(parts, block), logits!, tolerance);
          },
          async (slots) => {
            for (const sequence of [...parts, all]) await sequence.keep(Uint32Array.from(slots));
            expect(parts.map(({ length }) => length)).toEqual([all.length, all.length]);
          },
        );
        for (const sequence of [...parts, all]) await sequence.dispose();
      }
    };

    test("have the facts of their layers", () => {
      for (const [i, [first, second]] of halves.entries()) {
        expect([first.info.layers, second.info.layers]).toEqual([i + 1, halves.length - i]);
        expect([first.capabilities.tokens, second.capabilities.tokens]).toEqual([true, false]);
        expect(first.info.parameters).toBeLessThan(whole.info.parameters);
        expect(second.info.parameters).toBeLessThan(whole.info.parameters);
      }
    });

    test("have the parameters that the reference counts", async () => {
      for (const [i, [first, second]] of halves.entries()) {
        const expected = [
          await reference([0, i + 1]),
          await reference([i + 1, halves.length + 1]),
        ].map(({ info }) => info.parameters);
        expect([first.info.parameters, second.info.parameters]).toEqual(expected);
      }
    });

    test("give the whole model's logits one after the other, however a text is cut", async () => {
      const tokens = seededRandom(61).tokens(24, whole.info.vocabSize);
      for (const size of [24, 7, 1]) {
        await compare(async (step) => {
          for (let at = 0; at < tokens.length; at += size) {
            await step({ tokens: tokens.subarray(at, at + size) });
          }
        });
      }
    });

    test("do so for trees, and go on from a path of one", async () => {
      const random = seededRandom(62);
      for (const positions of positionModes) {
        await compare(async (step, keep) => {
          let length = 3;
          await step({ tokens: random.tokens(length, whole.info.vocabSize) });
          for (let round = 0; round < 4; round++) {
            const parents = random.parents(1 + random.below(7));
            await step({ tokens: random.tokens(parents.length, whole.info.vocabSize), parents });
            const path = pathTo(parents, random.below(parents.length));
            await keep([...range(length), ...path.map((row) => length + row)]);
            length += path.length;
          }
        }, positions);
      }
    });

    test("do so after rolling back and after evicting", async () => {
      for (const positions of positionModes) {
        const random = seededRandom(63);
        await compare(async (step, keep) => {
          let length = 0;
          for (let round = 0; round < 5; round++) {
            const tokens = random.tokens(1 + random.below(6), whole.info.vocabSize);
            await step({ tokens });
            const slots = random.subset(length + tokens.length, 0.7);
            await keep(slots);
            length = slots.length;
          }
        }, positions);
      }
    });

    test("give the logits of an early exit: final norm and head after their last layer", async () => {
      const tokens = seededRandom(64).tokens(6, whole.info.vocabSize);
      for (const [i, [first]] of halves.entries()) {
        const [actual, expected] = await Promise.all(
          [first, await reference([0, i + 1])].map((model) =>
            withSequence(model, (sequence) => sequence.step({ tokens }, { logits: "all" })),
          ),
        );
        expectClose(actual!.logits!, expected!.logits!, tolerance);
      }
    });

    test("take hidden states only, above the first layer", async () => {
      const { hiddenSize } = whole.info;
      const data = Float32Array.from({ length: 2 * hiddenSize }, (_, i) => Math.sin(i));
      const rows: Matrix = { data, rows: 2, cols: hiddenSize };
      for (const [, second] of halves) {
        await withSequence(second, async (sequence) => {
          const block = { embeddings: rows };
          const { logits } = await sequence.step(block, { logits: "last" });
          expect(rowsOf(logits!, 0).data.every(Number.isFinite)).toBe(true);
          const tokens = Uint32Array.of(1);
          await expectRefusal(() => sequence.step({ tokens }, { logits: "last" }), "unsupported");
          expect(sequence.length).toBe(2);
        });
      }
    });
  });
}

type Keep = (slots: ArrayLike<number>) => Promise<void>;

/** Runs a block through the first range, and what leaves it through the second. */
async function runChain(
  [first, second]: readonly [Sequence, Sequence],
  { tokens, ...shape }: Block,
): Promise<Matrix> {
  const options = { logits: "none", taps: [first.info.layers] } as const;
  const { taps } = await first.step({ ...shape, tokens: tokens! }, options);
  const { logits } = await second.step({ ...shape, embeddings: taps[0]! }, { logits: "all" });
  return logits!;
}
