import { philox } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { SlotHeap } from "../../src/drafters/slot-heap.ts";
import { conditioned } from "../../src/drafters/stochastic-beam.ts";
import {
  constantLength,
  dynamicTree,
  recursiveRejection,
  rsdStochasticBeam,
} from "../../src/index.ts";
import { markovSequence, tableRule } from "../markov-model.ts";
import { propose } from "../propose.ts";
import { run } from "../run.ts";

const q = [
  [0.1, 0.55, 0.25, 0.1],
  [0.4, 0.3, 0.2, 0.1],
  [0.3, 0.3, 0.4, 0],
  [0.1, 0.2, 0.3, 0.4],
];
const model = (eosIds: number[] = []) =>
  markovSequence({ vocabSize: 4, rule: tableRule(q), tree: true, top: true, eosIds });

describe("dynamicTree", () => {
  test("fills the likeliest slot first: the tree by hand", async () => {
    // Slots by reach: root 1; below "1" 0.55; beside it 0.45; beside "1 0" 0.33; below "2" 0.25.
    const draft = await propose(dynamicTree(model(), { budget: 5 }), [0], 9, { tree: true });
    expect([...draft.tokens]).toEqual([1, 0, 2, 1, 2]);
    expect([...draft.parents!]).toEqual([-1, 0, -1, 0, 2]);
    const single = await propose(dynamicTree(model(), { budget: 1 }), [0], 9, { tree: true });
    expect([...single.tokens]).toEqual([1]);
  });

  test("takes everything above the threshold, level by level", async () => {
    const drafter = dynamicTree(model(), { threshold: 0.21, maxDepth: 2 });
    const draft = await propose(drafter, [0], 20, { tree: true });
    // Root: 1 (reach 1), 2 (0.45), not the third (0.2). Below "1": 0 (0.55), 1 (0.33); below "2": 2.
    expect([...draft.tokens]).toEqual([1, 2, 0, 1, 2]);
    expect([...draft.parents!]).toEqual([-1, -1, 0, 0, 1]);
  });

  test("puts nothing below the end of a text, and stops at the depth that is of use", async () => {
    const more = { tree: true, stopIds: [1], maxDepth: 2 };
    const draft = await propose(dynamicTree(model([1]), { budget: 9 }), [0], 9, more);
    const parents = [...draft.parents!];
    for (const parent of parents) expect(draft.tokens[parent] ?? -1).not.toBe(1);
    for (const parent of parents) expect(parents[parent] ?? -1).toBe(-1);
  });

  test("asks one step for all rows that wait", async () => {
    const sequence = model();
    await propose(dynamicTree(sequence, { budget: 8 }), [0], 8, { tree: true });
    expect(sequence.steps.length).toBeLessThan(6);
    expect(sequence.steps.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThanOrEqual(8);
  });

  test("refuses options outside their intervals", () => {
    expect(() => dynamicTree(model(), { budget: 0 })).toThrow("budget: expected");
    expect(() => dynamicTree(model(), { threshold: 1 })).toThrow("threshold: expected");
  });
});

test("a heap of slots gives them by reach, then depth, then age", () => {
  const random = philox(4);
  const heap = new SlotHeap();
  const slots = Array.from({ length: 300 }, (_, node) => ({
    reach: Math.floor(8 * random.uniform(node)) / 8,
    depth: Math.floor(4 * random.uniform(node, 1)),
    node,
    rest: null,
  }));
  for (const slot of slots) heap.push(slot);
  const order = slots.toSorted((a, b) => b.reach - a.reach || a.depth - b.depth || a.node - b.node);
  for (const slot of order) expect(heap.pop()?.node).toBe(slot.node);
  expect(heap.pop()).toBeNull();
});

describe("rsdStochasticBeam", () => {
  test("conditions the largest value on its parent's", () => {
    const random = philox(9);
    for (let trial = 0; trial < 300; trial++) {
      const raw = Array.from({ length: 5 }, (_, i) => 8 * random.uniform(trial, 0, i) - 5);
      const largest = Math.max(...raw);
      const target = 6 * random.uniform(trial, 1) - 4;
      const values = raw.map((value) => conditioned(value, largest, target));
      expect(Math.max(...values)).toBe(target);
      for (const [i, value] of values.entries()) {
        const direct = -Math.log(Math.exp(-target) - Math.exp(-largest) + Math.exp(-raw[i]!));
        expect(value).toBeCloseTo(direct, 9);
      }
    }
  });

  test("keeps as many different paths per level as it is wide", async () => {
    const kind = { tree: true };
    for (const width of [1, 3]) {
      const drafter = rsdStochasticBeam(model(), { width, depth: 3 });
      const draft = await propose(drafter, [0], 20, kind);
      expect(draft.tokens).toHaveLength(3 * width);
      const siblings = [...draft.tokens].map((token, i) => `${draft.parents![i]}:${token}`);
      expect(new Set(siblings).size).toBe(siblings.length);
    }
    const chain = await propose(rsdStochasticBeam(model(), { width: 1, depth: 3 }), [0], 20, kind);
    expect([...chain.parents!]).toEqual([-1, 0, 1]);
  });

  test("draws its first token from the law of the draft model", async () => {
    const counts = [0, 0, 0, 0];
    const drafter = rsdStochasticBeam(model(), { width: 2, depth: 1 });
    const runs = 3000;
    for (let seed = 0; seed < runs; seed++) {
      const draft = await propose(drafter, [0], 9, { tree: true, seed });
      counts[draft.tokens[0]!]!++;
    }
    const chi = counts.reduce(
      (sum, n, i) => sum + (n - runs * q[0]![i]!) ** 2 / (runs * q[0]![i]!),
      0,
    );
    // 16.3 is exceeded once in a thousand times with 3 degrees of freedom.
    expect(chi).toBeLessThan(16.3);
  });

  test("is always accepted where it holds the whole vocabulary", async () => {
    const target = markovSequence({ vocabSize: 4, rule: tableRule(q.toReversed()), tree: true });
    const { last } = await run(target, [0], {
      temperature: 1,
      maxTokens: 40,
      verifier: recursiveRejection(),
      drafter: rsdStochasticBeam(model(), { width: 4, depth: 1 }),
      draftLength: constantLength(4),
    });
    // Row 2 of the draft has no mass on token 3, and the target's after token 1 neither on it.
    expect(last.stats.tokensPerStep).toBeGreaterThan(1.9);
  });
});
