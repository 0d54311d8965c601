// oxlint-disable vitest/no-standalone-expect -- testLanguageModel wraps every case in a test.
import type { Block, LanguageModel, Matrix } from "@frugal/core";
import { expect } from "vitest";

import { rowsOf } from "../expect-close.ts";
import { seededRandom } from "../seeded-random.ts";
import {
  append,
  expectRefusal,
  expectSame,
  fill,
  fresh,
  freshLast,
  pathTo,
  range,
  supports,
  withSequence,
  type ContractCase,
  type Suite,
} from "./suite.ts";

/** Blocks whose rows are a tree. */
export const treeCases = {
  "tree-paths": {
    title: "a tree gives every path the logits it has alone",
    run: async (suite) => {
      if (!(await hasTrees(suite))) return;
      const { model } = suite;
      const random = seededRandom(31);
      for (let trial = 0; trial < suite.trees; trial++) {
        const prefix = random.tokens(random.below(5), model.info.vocabSize);
        const parents = random.parents(1 + random.below(8));
        const tokens = random.tokens(parents.length, model.info.vocabSize);
        const tree = await stepAfter(model, prefix, { tokens, parents });
        for (const leaf of range(parents.length).filter((row) => !parents.includes(row))) {
          const path = pathTo(parents, leaf);
          const alone = await fresh(model, [...prefix, ...path.map((row) => tokens[row]!)]);
          for (const [depth, row] of path.entries()) {
            expectSame(suite, rowsOf(tree, row), rowsOf(alone, prefix.length + depth));
          }
        }
      }
    },
  },

  "tree-positions": {
    title: "a row of a tree stands at the cache's end plus its depth",
    run: async (suite) => {
      if (!(await hasTrees(suite)) || !suite.model.capabilities.positions) return;
      const random = seededRandom(32);
      const prefix = random.tokens(3, suite.model.info.vocabSize);
      const parents = Int32Array.of(-1, 0, 0, 1, -1, 4, 2);
      const positions = Int32Array.of(3, 4, 4, 5, 3, 4, 5);
      const tokens = random.tokens(parents.length, suite.model.info.vocabSize);
      const defaults = await stepAfter(suite.model, prefix, { tokens, parents });
      const explicit = await stepAfter(suite.model, prefix, { tokens, parents, positions });
      expectSame(suite, explicit, defaults);
    },
  },

  "tree-chain": {
    title: "a chain given as a tree is a chain, and needs no keep",
    run: async (suite) => {
      const tokens = seededRandom(33).tokens(6, suite.model.info.vocabSize);
      const expected = await fresh(suite.model, tokens);
      await withSequence(suite.model, async (sequence) => {
        const block = { tokens: tokens.subarray(0, 3), parents: Int32Array.of(-1, 0, 1) };
        expectSame(suite, await append(sequence, block, "all"), rowsOf(expected, 0, 3));
        expectSame(
          suite,
          await append(sequence, tokens.subarray(3), "all"),
          rowsOf(expected, 3, 6),
        );
      });
    },
  },

  "commit-path": {
    title: "keeping one path of a tree and going on is a fresh run on that path",
    run: async (suite) => {
      if (!(await hasTrees(suite)) || !suite.model.capabilities.evict) return;
      const { model } = suite;
      const random = seededRandom(34);
      for (let trial = 0; trial < 24; trial++) {
        const options = { positions: suite.positionModes[trial % suite.positionModes.length]! };
        await withSequence(
          model,
          async (sequence) => {
            let text = [...random.tokens(random.below(4), model.info.vocabSize)];
            await fill(sequence, text);
            for (let round = 0; round < 3; round++) {
              const parents = random.parents(1 + random.below(6));
              const tokens = random.tokens(parents.length, model.info.vocabSize);
              await sequence.step({ tokens, parents }, { logits: "none" });
              const path = pathTo(parents, random.below(parents.length));
              const slots = path.map((row) => text.length + row);
              await sequence.keep(Uint32Array.from([...range(text.length), ...slots]));
              text = [...text, ...path.map((row) => tokens[row]!)];
              expect(sequence.length).toBe(text.length);
            }
            const next = random.below(model.info.vocabSize);
            const expected = await freshLast(model, [...text, next]);
            expectSame(suite, await append(sequence, [next]), expected);
          },
          options,
        );
      }
    },
  },

  "open-tree": {
    title: "after a branching block the next step is refused until keep leaves one path",
    run: async (suite) => {
      if (!(await hasTrees(suite)) || !suite.model.capabilities.evict) return;
      const { model } = suite;
      const tokens = Uint32Array.of(1, 2, 3, 1);
      const parents = Int32Array.of(-1, 0, 0, 2);
      await withSequence(model, async (sequence) => {
        await fill(sequence, [3]);
        await sequence.step({ tokens, parents }, { logits: "none" });
        expect(sequence.length).toBe(5);
        await expectRefusal(() => append(sequence, [1]), "state");
        await sequence.keep(Uint32Array.of(0, 1, 2, 3, 4));
        await expectRefusal(() => append(sequence, [1]), "state");
        const fork = await sequence.fork();
        await expectRefusal(() => append(fork, [1]), "state");
        await fork.keep(Uint32Array.of(0, 1, 2));
        expectSame(suite, await append(fork, [2]), await freshLast(model, [3, 1, 2, 2]));
        await fork.dispose();
        await sequence.keep(Uint32Array.of(0, 1, 3, 4));
        expectSame(suite, await append(sequence, [2]), await freshLast(model, [3, 1, 3, 1, 2]));
      });
      await withSequence(model, async (sequence) => {
        await fill(sequence, [3]);
        await sequence.step({ tokens, parents }, { logits: "none" });
        await sequence.keep(Uint32Array.of(0));
        expectSame(suite, await append(sequence, [2]), await freshLast(model, [3, 2]));
      });
    },
  },

  "grown-tree": {
    title: "a tree grown over several blocks gives every path the logits it has alone",
    run: async (suite) => {
      if (!(await growsTrees(suite)) || !suite.model.capabilities.evict) return;
      const { model } = suite;
      const random = seededRandom(35);
      for (let trial = 0; trial < 16; trial++) {
        const options = { positions: suite.positionModes[trial % suite.positionModes.length]! };
        const text = [...random.tokens(random.below(4), model.info.vocabSize)];
        const start = text.length;
        // The parents of all slots, the text's too; a row may hang below any of them, or none.
        const parents = text.map((_, i) => i - 1);
        await withSequence(
          model,
          async (sequence) => {
            await fill(sequence, text);
            for (let round = 0; round < 3; round++) {
              const length = text.length;
              const rows = 1 + random.below(4);
              const block = Int32Array.from(
                { length: rows },
                (_, i) => random.below(length + i + 1) - length - 1,
              );
              const tokens = random.tokens(rows, model.info.vocabSize);
              text.push(...tokens);
              parents.push(...[...block].map((parent) => length + parent));
              const tree = await append(sequence, { tokens, parents: block }, "all");
              for (let row = 0; row < rows; row++) {
                const path = pathTo(Int32Array.from(parents), length + row);
                const alone = await freshLast(
                  model,
                  path.map((slot) => text[slot]!),
                );
                expectSame(suite, rowsOf(tree, row), alone);
              }
            }
            const path = pathTo(
              Int32Array.from(parents),
              start + random.below(text.length - start),
            );
            await sequence.keep(Uint32Array.from(path));
            const next = random.below(model.info.vocabSize);
            const whole = [...path.map((slot) => text[slot]!), next];
            if (options.positions === "cache-relative" || path.every((slot, i) => slot === i)) {
              expectSame(suite, await append(sequence, [next]), await freshLast(model, whole));
            }
          },
          options,
        );
      }
    },
  },

  "grown-tree-refusals": {
    title: "a parent before the text is refused, and the open tree stays as it was",
    run: async (suite) => {
      if (!(await growsTrees(suite)) || !suite.model.capabilities.evict) return;
      await withSequence(suite.model, async (sequence) => {
        await fill(sequence, [3]);
        await append(sequence, { tokens: Uint32Array.of(1, 2), parents: Int32Array.of(-1, -1) });
        const before = { tokens: Uint32Array.of(1), parents: Int32Array.of(-5) };
        await expectRefusal(() => append(sequence, before), "range");
        await expectRefusal(() => append(sequence, [1]), "state");
        const block = { tokens: Uint32Array.of(2), parents: Int32Array.of(-2) };
        expectSame(suite, await append(sequence, block), await freshLast(suite.model, [3, 1, 2]));
      });
    },
  },
} as const satisfies Record<string, ContractCase>;

function growsTrees(suite: Suite): Promise<boolean> {
  const earlier = { tokens: Uint32Array.of(1), parents: Int32Array.of(-2) };
  return supports(suite, "openTree", (sequence) => append(sequence, earlier));
}

function hasTrees(suite: Suite): Promise<boolean> {
  const fork = { tokens: Uint32Array.of(1, 1), parents: Int32Array.of(-1, -1) };
  return supports(suite, "tree", (sequence) => append(sequence, fork));
}

/** All logits of a block that follows a text. */
function stepAfter(model: LanguageModel, prefix: Uint32Array, block: Block): Promise<Matrix> {
  return withSequence(model, async (sequence) => {
    await fill(sequence, prefix);
    return append(sequence, block, "all");
  });
}
