import { type DraftHeads, InferenceError, philox } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  eagleChoices,
  greedy,
  medusaChoices,
  medusaDrafter,
  pathTo,
  sampleMatch,
  treeDepths,
  treeMask,
  typicalAcceptance,
} from "../src/index.ts";
import { flattenTemplate } from "../src/drafters/token-recycling-template.ts";
import { expectAbortable } from "./abort.ts";
import { tappedSequence } from "./feature-model.ts";
import { hashRule, markovSequence, type Rule } from "./markov-model.ts";
import { propose } from "./propose.ts";
import { run } from "./run.ts";

const vocabSize = 12;

/** Heads that follow `rule` from the token that the state names, each from what the one before said. */
function headsOf(rule: Rule, count: number): DraftHeads {
  return {
    count,
    hiddenSize: 3,
    vocabSize,
    async guess(state, k) {
      const ids: number[] = [];
      const values: number[] = [];
      const text = [state[1]!];
      const follow = () => {
        const row = Array.from(rule(text));
        const order = Array.from(row.keys()).toSorted((a, b) => row[b]! - row[a]! || a - b);
        text.push(order[0]!);
        return order.slice(0, k).map((id) => [id, row[id]!] as const);
      };
      follow();
      for (const [id, value] of Array.from({ length: count }, follow).flat()) {
        ids.push(id);
        values.push(value);
      }
      const logSumExp = new Float32Array(count).fill(8);
      const top = { rows: count, k, ids: Uint32Array.from(ids), values: Float32Array.from(values) };
      return { top: { ...top, logSumExp }, runMs: 1 };
    },
    dispose: () => Promise.resolve(),
  };
}

describe("medusaDrafter", () => {
  const rule = hashRule(vocabSize, 5, 1);
  const target = (tree = true) => tappedSequence({ vocabSize, rule, eosIds: [11], tree });

  test("does not change the text, greedy and sampled, on models with and without trees", async () => {
    const random = philox(4);
    for (let i = 0; i < 60; i++) {
      const pick = (index: number, end: number) => Math.floor(end * random.uniform(i, 0, index));
      const prompt = Array.from({ length: 1 + pick(0, 9) }, (_, j) => pick(10 + j, vocabSize - 1));
      const temperature = [0, 0.4, 1][pick(1, 3)]!;
      const options = { seed: i, temperature, maxTokens: 1 + pick(2, 50) };
      const plain = await run(target(), prompt, options);
      // Random heads, or good ones.
      const heads = headsOf(hashRule(vocabSize, pick(4, 2) === 0 ? 5 : i, 1), 4);
      const drafted = await run(target(pick(5, 2) === 0), prompt, {
        ...options,
        verifier: temperature === 0 ? greedy() : sampleMatch(),
        drafter: medusaDrafter(heads),
        draftLength: constantLength(pick(6, 64)),
        ...(pick(7, 2) === 0 && { prefillChunk: 2 }),
      });
      expect(drafted.tokens).toEqual(plain.tokens);
    }
  });

  test("is left usable by an abort at any moment", async () => {
    await expectAbortable(target, async (watch) => {
      const drafter = medusaDrafter(headsOf(hashRule(vocabSize, 5, 1, 2), 3));
      return { sequence: watch(target()), drafter };
    });
  });

  test("yields all its depth where the heads are right, under typical acceptance too", async () => {
    const options = { maxTokens: 50, stopIds: [], draftLength: constantLength(64) };
    for (const verifier of [greedy(), typicalAcceptance()]) {
      const drafter = medusaDrafter(headsOf(rule, 4));
      const { last } = await run(target(), [1], { ...options, verifier, drafter });
      expect(last.stats.tokensPerStep).toBeGreaterThan(4);
    }
  });

  test("puts the same tokens below every node of a level", async () => {
    const drafter = medusaDrafter(headsOf(rule, 4));
    drafter.observe!({
      from: 0,
      tokens: Uint32Array.of(1),
      parents: Int32Array.of(-1),
      path: Uint32Array.of(0),
      next: 2,
      top: { rows: 1, k: 0, ids: new Uint32Array(0), values: new Float32Array(0) },
      taps: [{ data: Float32Array.of(-1, 1, 0), rows: 1, cols: 3 }],
    });
    const draft = await propose(drafter, [1, 2], 63, { tree: true, stopIds: [] });
    expect(draft.tokens).toHaveLength(63);
    const depths = treeDepths(draft.parents!);
    for (const [node, path] of medusaChoices.entries()) {
      const first = medusaChoices.findIndex(
        (other) => other.length === path.length && other.at(-1) === path.at(-1),
      );
      expect(draft.tokens[node]).toBe(draft.tokens[first]);
      expect(depths[node]).toBe(path.length - 1);
    }
    const stop = draft.tokens[0]!;
    const cut = await propose(drafter, [1, 2], 63, { tree: true, stopIds: [stop] });
    expect(cut.parents!.every((parent) => parent < 0 || cut.tokens[parent] !== stop)).toBe(true);
  });

  test("drafts nothing before it has seen a state", async () => {
    expect((await propose(medusaDrafter(headsOf(rule, 4)), [1], 4)).tokens).toHaveLength(0);
  });

  test("asks for no more guesses and heads than its choices need", () => {
    const heads = headsOf(rule, 2);
    expect(() => medusaDrafter(heads, { choices: [[0], [0, 0], [0, 0, 0]] })).toThrow(
      "choices: expected paths of at most 2 ranks, got 3",
    );
    expect(() => medusaDrafter(heads, { choices: [[0, 0]] })).toThrow("a parent before it");
  });

  test("is refused by a target without hidden states, or with others", async () => {
    const drafter = medusaDrafter(headsOf(rule, 4));
    const blind = markovSequence({ vocabSize, rule });
    await expect(run(blind, [1], { drafter })).rejects.toSatisfy((error: unknown) =>
      InferenceError.is(error, "unsupported"),
    );
    const narrow = medusaDrafter({ ...headsOf(rule, 4), hiddenSize: 4 });
    await expect(run(target(), [1], { drafter: narrow })).rejects.toThrow(
      "target: expected states of 4, got 3",
    );
  });
});

describe("the published trees", () => {
  test.for([
    ["medusaChoices", medusaChoices, 63, [10, 28, 23, 2]],
    ["eagleChoices", eagleChoices, 25, [4, 8, 8, 3, 2]],
  ] as const)("%s", ([, choices, nodes, byDepth]) => {
    const { parents, depths } = flattenTemplate(choices, 10);
    expect(parents).toHaveLength(nodes);
    const counts = byDepth.map((_, i) => depths.filter((depth) => depth === i + 1).length);
    expect(counts).toEqual(byDepth);
    const mask = treeMask(parents);
    for (const [node, path] of choices.entries()) {
      const ancestors = path.map((_, i) =>
        choices.findIndex((p) => p.join() === path.slice(0, i + 1).join()),
      );
      expect([...pathTo(parents, node)]).toEqual(ancestors);
      const row = mask.subarray(node * nodes, (node + 1) * nodes);
      expect(row.reduce((a, b) => a + b)).toBe(path.length);
    }
  });
});
