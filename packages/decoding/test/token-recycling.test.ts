import { InferenceError, philox } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  likelyTemplate,
  levelTemplate,
  recyclingTemplate,
  type TokenRecycling,
  tokenRecycling,
  type VerifiedBlock,
} from "../src/index.ts";
import { expectEqualTexts } from "./equal-text.ts";
import { hashRule, markovSequence } from "./markov-model.ts";
import { propose } from "./propose.ts";
import { run } from "./run.ts";

const isRange = expect.toSatisfy((error: unknown) => InferenceError.is(error, "range"));

/** A block in which each token had the given largest logits. */
function blockOf(
  tokens: readonly number[],
  rows: readonly (readonly number[])[],
  path: readonly number[] = [0],
): VerifiedBlock {
  const k = rows[0]!.length;
  return {
    from: 0,
    tokens: Uint32Array.from(tokens),
    parents: Int32Array.from(tokens, (_, i) => i - 1),
    path: Uint32Array.from(path),
    next: 0,
    top: {
      rows: rows.length,
      k,
      ids: Uint32Array.from(rows.flat()),
      values: new Float32Array(rows.length * k),
    },
    taps: [],
  };
}

/** The rows of `drafter`'s matrix. */
function matrixOf(drafter: TokenRecycling, k: number): (number | null)[][] {
  const bytes = drafter.toBytes();
  const view = new DataView(bytes.buffer);
  const count = (bytes.length - 16) / 4 / k;
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: k }, (__, i) => {
      const id = view.getUint32(16 + 4 * (row * k + i), true);
      return id === 2 ** 32 - 1 ? null : id;
    }),
  );
}

// The worked example of the project's specification.
const template = [[0], [1], [0, 0], [0, 1], [1, 0], [0, 0, 0]];
const adjacency = [
  [1, 2],
  [3, 4],
  [5, 0],
  [2, 1],
  [0, 1],
  [4, 3],
];
const example = (update?: "flat"): TokenRecycling => {
  const drafter = tokenRecycling({
    vocabSize: 6,
    k: 2,
    template,
    prompt: "none",
    ...(update && { update }),
  });
  drafter.observe!(blockOf([0, 1, 2, 3, 4, 5], adjacency));
  return drafter;
};

describe("tokenRecycling", () => {
  test("unfolds what it remembers along the template", async () => {
    const draft = await propose(example(), [0], 20, { tree: true });
    expect([...draft.tokens]).toEqual([1, 2, 3, 4, 5, 2]);
    expect([...draft.parents!]).toEqual([-1, -1, 0, 0, 1, 2]);
  });

  test("takes the first nodes that fit, and none deeper than can be used", async () => {
    const draft = await propose(example(), [0], 3, { tree: true });
    expect([...draft.tokens]).toEqual([1, 2, 3]);
    const flat = await propose(example(), [0], 20, { tree: true, maxDepth: 1 });
    expect([...flat.tokens]).toEqual([1, 2]);
  });

  test("leaves out what is below an empty entry or a stop id", async () => {
    const drafter = tokenRecycling({ vocabSize: 6, k: 2, template, prompt: "none" });
    expect((await propose(drafter, [0], 9, { tree: true })).tokens).toHaveLength(0);
    drafter.observe!(blockOf([0, 2], [adjacency[0]!, adjacency[2]!]));
    const partly = await propose(drafter, [0], 9, { tree: true });
    expect([...partly.tokens]).toEqual([1, 2, 5]);
    expect([...partly.parents!]).toEqual([-1, -1, 1]);
    const stopped = await propose(example(), [0], 9, { tree: true, stopIds: [1] });
    expect([...stopped.tokens]).toEqual([1, 2, 5]);
  });

  test("is the chain of first entries where trees are off", async () => {
    const draft = await propose(example(), [0], 5);
    expect([...draft.tokens]).toEqual([1, 3, 2, 5, 4]);
    expect(draft.parents).toBeUndefined();
    expect([...(await propose(example(), [0], 5, { stopIds: [2] })).tokens]).toEqual([1, 3, 2]);
  });

  test("remembers the row in the text, or the last one, of a token that is there twice", () => {
    // Token 2 is at nodes 2 and 6; the path is nodes 0, 2, 5.
    const rows = [0, 1, 2, 3, 4, 5, 0].map((node, i) => [node, (node + 1 + (i > 5 ? 3 : 0)) % 6]);
    const block = blockOf([0, 1, 2, 3, 4, 5, 2], rows, [0, 2, 5]);
    const accepted = example();
    accepted.observe!(block);
    expect(matrixOf(accepted, 2)[2]).toEqual(rows[2]);
    const flat = example("flat");
    flat.observe!(block);
    expect(matrixOf(flat, 2)[2]).toEqual(rows[6]);
    expect(matrixOf(flat, 2)[5]).toEqual(rows[5]);
  });

  test("ranks the prompt's bigrams first, each once", async () => {
    const drafter = tokenRecycling({ vocabSize: 6, k: 3 });
    await propose(drafter, [1, 2, 1, 3, 1, 2, 1, 4, 1, 5], 1);
    expect(matrixOf(drafter, 3)[1]).toEqual([5, 4, 2]);
    expect(matrixOf(drafter, 3)[0]).toEqual([null, null, null]);
  });

  test("is kept and restored, and refuses what is no matrix of its shape", () => {
    const drafter = example();
    const bytes = drafter.toBytes();
    drafter.reset();
    expect(matrixOf(drafter, 2).flat()).toEqual(Array.from({ length: 12 }, () => null));
    drafter.restore(bytes);
    expect(drafter.toBytes()).toEqual(bytes);
    const isFormat = expect.toSatisfy((error: unknown) => InferenceError.is(error, "format"));
    for (let end = 0; end < bytes.length; end++) {
      expect(() => drafter.restore(bytes.subarray(0, end))).toThrow(isFormat);
    }
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const broken = bytes.slice();
      broken[bit >> 3]! ^= 1 << (bit & 7);
      try {
        drafter.restore(broken);
        for (const row of matrixOf(drafter, 2)) expect(row[0]).not.toBe(row[1]);
      } catch (error) {
        if (!InferenceError.is(error, "format") && !InferenceError.is(error, "shape")) throw error;
      }
    }
    for (const id of matrixOf(drafter, 2).flat()) expect(id).toBeLessThan(6);
  });

  test("rejects options outside their intervals", () => {
    for (const options of [
      { vocabSize: 0 },
      { vocabSize: 2 ** 27 },
      { k: 0 },
      { k: 65 },
      { update: "first" as "flat" },
      { prompt: "logits" as "none" },
      { template: [] },
      { template: [[8]] },
      { template: [[0, 0]] },
      { template: [[0], [0]] },
      { template: [[]] },
      { template: [[0.5]] },
    ]) {
      expect(() => tokenRecycling({ vocabSize: 9, ...options })).toThrow(isRange);
    }
  });

  test("does not change the text, on models with and without trees", async () => {
    const random = philox(4);
    for (const tree of [true, false]) {
      for (const shape of [undefined, recyclingTemplate()]) {
        const drafter = tokenRecycling({ vocabSize: 12, ...(shape && { template: shape }) });
        // Whatever the matrix holds at first.
        const rows = Array.from({ length: 12 }, (_, row) =>
          Array.from({ length: 8 }, (__, i) => (i + Math.floor(5 * random.uniform(row))) % 12),
        );
        drafter.observe!(blockOf([...rows.keys()], rows));
        const accepted = await expectEqualTexts(() => drafter, 40, { tree, top: tree });
        expect(accepted).toBeGreaterThan(50);
      }
    }
  });

  test("yields more with a tree than with a chain", async () => {
    const rule = hashRule(12, 5, 2);
    const stepsOf = async (tree: boolean): Promise<number> => {
      const { last } = await run(markovSequence({ vocabSize: 12, rule, tree }), [1, 2], {
        temperature: 0.4,
        maxTokens: 400,
        drafter: tokenRecycling({ vocabSize: 12 }),
        draftLength: constantLength(12),
      });
      return last.stats.targetSteps;
    };
    expect(await stepsOf(true)).toBeLessThan(await stepsOf(false));
  });
});

describe("templates", () => {
  test("the likeliest paths are those that enumeration finds", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 0.99, noNaN: true }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 4 }),
        (numbers, nodes, depth) => {
          const acceptance = numbers.toSorted((a, b) => b - a);
          const reach = (path: readonly number[]): number =>
            path.reduce((product, rank) => product * acceptance[rank]!, 1);
          let level: number[][] = [[]];
          const all: number[][] = [];
          for (let d = 0; d < depth; d++) {
            level = level.flatMap((path) => acceptance.map((_, rank) => [...path, rank]));
            all.push(...level);
          }
          const best = all
            .map(reach)
            .toSorted((a, b) => b - a)
            .slice(0, nodes);
          const found = likelyTemplate(acceptance, nodes, depth);
          expect(found.map(reach)).toEqual(best.map((value) => expect.closeTo(value, 12)));
          // Accepted as it is: parents come first, nothing twice.
          tokenRecycling({ vocabSize: 2, template: found });
        },
      ),
      { seed: 1, numRuns: 100 },
    );
  });

  test("the published one has 80 nodes on six levels", () => {
    const paths = recyclingTemplate();
    expect(paths).toHaveLength(80);
    const levels = [1, 2, 3, 4, 5, 6].map((d) => paths.filter((path) => path.length === d).length);
    expect(levels).toEqual([8, 21, 25, 15, 8, 3]);
    tokenRecycling({ vocabSize: 2, template: paths });
  });

  test("rejects what is no shape", () => {
    expect(() => levelTemplate([[2], [1]])).toThrow(
      "levels: expected one number per node, 2, got 1",
    );
    expect(() => likelyTemplate([], 4)).toThrow(isRange);
    expect(() => likelyTemplate([0.2, 0.3], 4)).toThrow(isRange);
    expect(() => likelyTemplate([Number.NaN], 4)).toThrow(isRange);
    expect(() => likelyTemplate([0.5], 0)).toThrow(isRange);
    expect(() => likelyTemplate([0.5], 4, 65)).toThrow(isRange);
  });
});
