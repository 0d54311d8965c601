import type { AttentionPolicy, LanguageModel, Sequence, StepOutput } from "@frugal/core";
import {
  createRowSelector,
  landmarkAttention,
  quest,
  refreshKv,
  tidalDecode,
  tokenSelect,
  withSinks,
} from "@frugal/kv-cache";
import { expectClose, seededRandom, tinyConfig } from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

const config = { ...tinyConfig, layers: 4, heads: 6, kvHeads: 2, maxLength: 512 };
const random = await writeRandomModel(config);
afterAll(random.remove);
const text = seededRandom(7).tokens(400, config.vocabSize);

/** Rows that run at once; selections are made per chunk, so both sides take the same. */
const chunk = 32;

const short = { budget: 23, minLength: 0, maxRows: 8 } as const;
const policies: readonly (readonly [string, AttentionPolicy])[] = [
  ["token-select", tokenSelect({ ...short, sinks: 2, recent: 8, reuse: 0.6 })],
  [
    "token-select, every step",
    tokenSelect({ ...short, sinks: 0, recent: 5, reuse: null, maxRows: Infinity }),
  ],
  ["token-select, pooled", tokenSelect({ ...short, sinks: 2, recent: 8, pooling: 3 })],
  ["tidal-decode", tidalDecode({ ...short, selectAt: [1, 3] })],
  ["tidal-decode, sums", tidalDecode({ ...short, selectAt: [0], reduce: "sum" })],
  ["refresh-kv", refreshKv({ ...short, sinks: 2, recent: 3, stride: 4 })],
  [
    "refresh-kv, drift",
    refreshKv({ ...short, sinks: 2, recent: 3, stride: 9, drift: { every: 2, cosine: 0.5 } }),
  ],
  ["quest", quest({ ...short, pageSize: 4, dense: 1 })],
  ["quest, odd pages", quest({ ...short, pageSize: 7, dense: 0 })],
  ["landmark", landmarkAttention({ ...short, blockSize: 8 })],
  ["landmark, odd blocks", landmarkAttention({ ...short, blockSize: 11 })],
  ["tidal-decode with sinks", withSinks(tidalDecode({ ...short, selectAt: [1] }), [5, 70])],
  ["token-select with sinks", withSinks(tokenSelect({ ...short, sinks: 1, recent: 4 }), [5, 70])],
  [
    "refresh-kv with sinks",
    withSinks(refreshKv({ ...short, sinks: 1, recent: 2, stride: 3 }), [5, 70]),
  ],
  ["quest with sinks", withSinks(quest({ ...short, pageSize: 4, dense: 0 }), [5, 70])],
  ["landmark with sinks", withSinks(landmarkAttention({ ...short, blockSize: 11 }), [6, 70])],
];

function load(attention?: AttentionPolicy): Promise<LanguageModel> {
  const policy = attention === undefined ? {} : { attention };
  return loadModel(random.folder, { inline: true, chunk, ...policy });
}

function reference(policy: AttentionPolicy): Promise<LanguageModel> {
  return random.reference({ chunkRows: chunk, attention: () => createRowSelector(policy, config) });
}

/** Reads part of the text in blocks that do not cross a landmark block, on both sides. */
async function read(
  sequences: readonly Sequence[],
  to: number,
  policy: AttentionPolicy,
): Promise<StepOutput[]> {
  let outputs: StepOutput[] = [];
  const page = policy.kind === "landmark" ? policy.blockSize : chunk;
  for (let from = sequences[0]!.length; from < to;) {
    const end = Math.min(to, from + page - (from % page));
    const tokens = text.slice(from, end);
    outputs = await Promise.all(sequences.map((s) => s.step({ tokens }, { logits: "last" })));
    from = end;
  }
  return outputs;
}

/** Steps of one token, then says whether any of them was sparse. */
async function compare(
  [graph, oracle]: readonly [Sequence, Sequence],
  steps: number,
): Promise<boolean> {
  let sparse = false;
  for (let i = 0; i < steps; i++) {
    const block = { tokens: text.slice(graph.length, graph.length + 1) };
    const actual = await graph.step(block, { logits: "last" });
    const expected = await oracle.step(block, { logits: "last" });
    expectClose(actual.logits!, expected.logits!, 1e-4);
    sparse ||= actual.sparse === true;
  }
  return sparse;
}

describe.each(policies)("%s", (_, policy) => {
  test("gives the logits of the selection on typed arrays, as long as text and drafts go on", async () => {
    const [model, oracle] = [await load(policy), await reference(policy)];
    const pair = [await model.createSequence(), await oracle.createSequence()] as const;
    expect(model.capabilities.attention).toEqual(policy);
    await read(pair, 100, policy);
    expect(await compare(pair, 14)).toBe(true);

    // A draft of which two rows are kept, then text again.
    const base = pair[0].length;
    const tree =
      policy.kind === "landmark"
        ? { tokens: text.slice(0, 3 - (base % policy.blockSize === policy.blockSize - 1 ? 2 : 1)) }
        : { tokens: text.slice(0, 4), parents: Int32Array.of(-1, 0, 0, 1) };
    const outputs = await Promise.all(pair.map((s) => s.step(tree, { logits: "all" })));
    expectClose(outputs[0]!.logits!, outputs[1]!.logits!, 1e-4);
    const kept = Uint32Array.from({ length: base + 1 }, (__, i) => i);
    for (const sequence of pair) await sequence.keep(kept);
    await compare(pair, 9);

    // Rolled back far behind, and read on with another text.
    for (const sequence of pair)
      await sequence.keep(Uint32Array.from({ length: 61 }, (__, i) => i));
    await compare(pair, 12);

    // Forks go their own way.
    const forks = [await pair[0].fork(), await pair[1].fork()] as const;
    await compare(forks, 6);
    await compare(pair, 3);
    await read(pair, 300, policy);
    await compare(pair, 8);
    await model.dispose();
  });

  test("attends to everything where there is room, or where it is told to", async () => {
    const roomy = { ...policy, budget: 400 } as AttentionPolicy;
    const [model, told] = [await load(roomy), await load(policy)];
    const full = policy.kind === "landmark" ? await reference(roomy) : await load();
    const sequences = await Promise.all([model, full, told].map((m) => m.createSequence()));
    await read(sequences.slice(0, 2), 90, policy);
    const tokens = text.slice(0, 90);
    for (let from = 0; from < 90; from += 5) {
      const part = { tokens: tokens.slice(from, from + 5) };
      await sequences[2]!.step(part, { logits: "none", attention: "full" });
    }
    for (let i = 90; i < 100; i++) {
      const block = { tokens: text.slice(i, i + 1) };
      const expected = await sequences[1]!.step(block, { logits: "last" });
      const actual = await sequences[0]!.step(block, { logits: "last" });
      expectClose(actual.logits!, expected.logits!, 1e-4);
      expect(actual.sparse).toBe(false);
      const asTold = await sequences[2]!.step(block, { logits: "last", attention: "full" });
      expectClose(asTold.logits!, expected.logits!, 1e-4);
    }
    for (const m of [model, told, full]) await m.dispose();
  });
});

test.each(policies.filter(([name]) => !name.includes(" ")))(
  "%s: steps that are aborted again and again leave nothing behind",
  async (_, policy) => {
    const [model, oracle] = [await load(policy), await reference(policy)];
    const pair = [await model.createSequence(), await oracle.createSequence()] as const;
    await read(pair, 99, policy);
    await compare(pair, 3);
    for (let i = 0; i < 10; i++) {
      const controller = new AbortController();
      const block = { tokens: text.slice(0, 200) };
      const step = pair[0].step(block, { logits: "none", signal: controller.signal });
      controller.abort();
      await expect(step).rejects.toThrow("abort");
      expect(pair[0].length).toBe(102);
      // What is chosen after a step that was given up must not depend on it.
      for (const sequence of pair)
        await sequence.keep(Uint32Array.from({ length: 60 }, (__, j) => j));
      await read(pair, 99, policy);
      await compare(pair, 3);
    }
    await model.dispose();
  },
);

test.each(policies.filter(([name]) => !name.includes(" ")))(
  "%s: rows that are no numbers do no harm once they are rolled back",
  async (_, policy) => {
    const [model, oracle] = [await load(policy), await reference(policy)];
    const pair = [await model.createSequence(), await oracle.createSequence()] as const;
    await read(pair, 99, policy);
    const data = new Float32Array(2 * config.hiddenSize);
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      const embeddings = { data: data.fill(value), rows: 2, cols: config.hiddenSize };
      await pair[0].step({ embeddings }, { logits: "none" });
      let sparse = false;
      for (let i = 0; i < 5; i++) {
        const output = await pair[0].step({ tokens: text.slice(i, i + 1) }, { logits: "last" });
        sparse ||= output.sparse === true;
      }
      expect(sparse).toBe(true);
      await pair[0].keep(Uint32Array.from({ length: 60 }, (__, i) => i));
      await pair[1].keep(Uint32Array.from({ length: 60 }, (__, i) => i));
      await read(pair, 99, policy);
      await compare(pair, 3);
      for (const sequence of pair)
        await sequence.keep(Uint32Array.from({ length: 99 }, (__, i) => i));
    }
    await model.dispose();
  },
);

test("a policy that names layers the model does not have is refused", async () => {
  const policy = tidalDecode({ budget: 8, selectAt: [1, 4] });
  await expect(load(policy)).rejects.toThrow("selectAt: expected layers below 4, got 4");
});

test("landmark blocks smaller than the self-test's tree are refused", async () => {
  const policy = landmarkAttention({ ...short, blockSize: 7 });
  await expect(load(policy)).rejects.toThrow("expected blocks of at least 8 tokens, got 7");
});

test("what a landmark model cannot do is refused by name", async () => {
  const model = await load(landmarkAttention({ ...short, blockSize: 11 }));
  const sequence = await model.createSequence();
  await sequence.step({ tokens: text.slice(0, 20) }, { logits: "none" });
  const tree = { tokens: text.slice(0, 3), parents: Int32Array.of(-1, -1, 0) };
  await expect(sequence.step(tree, { logits: "none" })).rejects.toThrow("within a landmark block");
  await expect(sequence.keep(Uint32Array.of(0, 2))).rejects.toThrow("only rolls back");
  expect(sequence.length).toBe(20);
  await model.dispose();
});
