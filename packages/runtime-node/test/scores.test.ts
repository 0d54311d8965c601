import type { ScoreKind, Sequence, StepOutput } from "@frugal/core";
import { expectClose, type ReferenceConfig, seededRandom, tinyConfig } from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

const grouped: ReferenceConfig = { ...tinyConfig, layers: 4, heads: 6, kvHeads: 2 };
const random = await writeRandomModel(grouped);
afterAll(random.remove);

const kinds: readonly ScoreKind[] = ["attention", "logits"];

describe.for(kinds)("scores of the last layer: %s", (scores) => {
  test.for([
    ["the whole model, in chunks", undefined],
    ["a range of layers, in chunks", [0, 2] as const],
  ] as const)("agree with the reference: %s", async ([, layers]) => {
    const options = { inline: true, chunk: 7, scores, ...(layers && { layers }) };
    const model = await loadModel(random.folder, options);
    const reference = await random.reference({ scores, ...(layers && { layers }) });
    expect(model.capabilities.scores).toBe(scores);
    const pair = [await model.createSequence(), await reference.createSequence()] as const;
    const draw = seededRandom(3);
    const both = async (run: (sequence: Sequence) => Promise<StepOutput>): Promise<void> => {
      const [actual, expected] = [await run(pair[0]), await run(pair[1])];
      expectClose(actual.scores!, expected.scores!, 1e-4);
    };
    const first = draw.tokens(20, grouped.vocabSize);
    const wanted = Uint32Array.of(0, 3, 6, 7, 13, 19);
    await both((one) => one.step({ tokens: first }, { logits: "none", scores: wanted }));
    const next = draw.tokens(3, grouped.vocabSize);
    await both((one) => one.step({ tokens: next }, { logits: "last", scores: Uint32Array.of(2) }));
    const tree = { tokens: next, parents: Int32Array.of(-1, 0, 0) };
    await both((one) => one.step(tree, { logits: "all", scores: Uint32Array.of(1, 2) }));
    for (const one of pair) await one.keep(Uint32Array.from({ length: 22 }, (_, i) => i + 1));
    const silent = await pair[0].step({ tokens: next }, { logits: "last" });
    expect(silent.scores).toBeUndefined();
    await pair[1].step({ tokens: next }, { logits: "last" });
    await both((one) => one.step({ tokens: next }, { logits: "none", scores: Uint32Array.of(0) }));
    await model.dispose();
  });
});

test("weights of a row sum to one, and a later row of the block counts nothing; in a worker", async () => {
  const model = await loadModel(random.folder, { scores: "attention" });
  const sequence = await model.createSequence();
  const tokens = seededRandom(4).tokens(9, grouped.vocabSize);
  const { scores } = await sequence.step(
    { tokens },
    { logits: "none", scores: Uint32Array.of(4, 8) },
  );
  const rows = [scores!.data.subarray(0, 9), scores!.data.subarray(9)];
  for (const row of rows) {
    expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
  }
  expect([...rows[0]!.subarray(5)]).toEqual([0, 0, 0, 0]);
  await model.dispose();
});

test("scores are refused where there are none, and for rows that are not there", async () => {
  const tokens = Uint32Array.of(1, 2);
  const plain = await loadModel(random.folder, { inline: true });
  const silent = await plain.createSequence();
  const ask = (rows: readonly number[]) =>
    ({ logits: "none", scores: Uint32Array.from(rows) }) as const;
  await expect(silent.step({ tokens }, ask([0]))).rejects.toMatchObject({ code: "unsupported" });
  await plain.dispose();
  const model = await loadModel(random.folder, { inline: true, scores: "attention" });
  const sequence = await model.createSequence();
  for (const rows of [[2], [1, 0], [1, 1]]) {
    await expect(sequence.step({ tokens }, ask(rows))).rejects.toMatchObject({ code: "range" });
  }
  expect(sequence.length).toBe(0);
  await model.dispose();
  const wrong = loadModel(random.folder, { inline: true, scores: "weights" as never });
  await expect(wrong).rejects.toMatchObject({ code: "range" });
});

test("a range without a head hands on states and holds fewer weights", async () => {
  const layers = [0, 2] as const;
  const withHead = await loadModel(random.folder, { inline: true, layers });
  const model = await loadModel(random.folder, { inline: true, layers, head: false });
  expect(model.capabilities).toMatchObject({ head: false, top: false });
  const untied: ReferenceConfig = { ...grouped, tieWordEmbeddings: false };
  const apart = await writeRandomModel(untied);
  const counts = [];
  for (const head of [true, false]) {
    const range = await loadModel(apart.folder, { inline: true, layers: [2], head });
    counts.push(range.info.parameters);
    await range.dispose();
  }
  await apart.remove();
  expect(counts[0]! - counts[1]!).toBe(untied.vocabSize * untied.hiddenSize);
  const tokens = seededRandom(5).tokens(9, grouped.vocabSize);
  const [one, other] = [await model.createSequence(), await withHead.createSequence()];
  const wanted = { logits: "none", taps: [0, 2, "final"] } as const;
  const [actual, expected] = [
    await one.step({ tokens }, wanted),
    await other.step({ tokens }, wanted),
  ];
  for (const [i, tap] of actual.taps.entries()) expectClose(tap, expected.taps[i]!, 1e-6);
  await expect(one.step({ tokens }, { logits: "last" })).rejects.toThrow(/no head/);
  await model.dispose();
  await withHead.dispose();
});
