import { describe, expect, test } from "vitest";

import {
  constantLength,
  type Drafter,
  draftModel,
  greedy,
  gumbelCoupled,
  kSeq,
  lantern,
  multiRound,
  promptLookup,
  recursiveRejection,
  rejection,
  rsdConstant,
  sampleMatch,
  specInferTree,
  specTrChains,
  typicalAcceptance,
  type Verifier,
} from "../src/index.ts";
import { hashRule, markovSequence } from "./markov-model.ts";
import { run } from "./run.ts";

const vocabSize = 40;
const target = () => markovSequence({ vocabSize, rule: hashRule(vocabSize, 5, 2, 2), tree: true });
const small = () => markovSequence({ vocabSize, rule: hashRule(vocabSize, 5, 2), tree: true });
const neighbours = {
  count: 2,
  ids: Uint32Array.from({ length: 2 * vocabSize }, (_, i) => ((i >> 1) + 1 + (i & 1)) % vocabSize),
};
const branching = [3, 2];

/** What the seed gives without a draft. */
const plain = [
  32, 26, 18, 37, 35, 13, 32, 6, 19, 12, 0, 34, 5, 12, 22, 24, 16, 18, 17, 1, 16, 38, 14, 10,
];

// This file runs in Node and in Chromium: the texts below are those of both.
describe("a seed gives the same text in every engine", () => {
  const settings: [string, () => Verifier, (() => Drafter) | null, number[]][] = [
    ["no draft", sampleMatch, null, plain],
    ["sampleMatch", sampleMatch, () => draftModel(small()), plain],
    ["sampleMatch, guesses", sampleMatch, () => promptLookup({ minNgram: 1 }), plain],
    [
      "gumbelCoupled",
      gumbelCoupled,
      () => draftModel(small()),
      [3, 16, 20, 28, 4, 23, 25, 4, 13, 31, 19, 31, 7, 9, 18, 32, 27, 5, 28, 15, 0, 27, 22, 30],
    ],
    [
      "rejection",
      rejection,
      () => draftModel(small()),
      [32, 37, 33, 19, 17, 39, 8, 10, 14, 9, 18, 9, 6, 8, 36, 30, 33, 24, 31, 25, 2, 35, 26, 3],
    ],
    [
      "multiRound",
      multiRound,
      () => specInferTree(small(), { branching }),
      [32, 37, 1, 37, 24, 14, 36, 26, 37, 14, 18, 9, 4, 21, 39, 30, 18, 26, 6, 19, 11, 36, 17, 12],
    ],
    [
      "kSeq",
      kSeq,
      () => specTrChains(small(), { chains: 3, length: 3 }),
      [32, 26, 32, 37, 21, 22, 38, 31, 15, 13, 13, 33, 33, 8, 12, 23, 35, 0, 26, 1, 1, 39, 3, 2],
    ],
    [
      "recursiveRejection",
      recursiveRejection,
      () => rsdConstant(small(), { branching }),
      [32, 37, 1, 37, 24, 14, 36, 26, 37, 14, 18, 9, 4, 21, 39, 30, 18, 26, 6, 19, 11, 36, 17, 12],
    ],
    [
      "typicalAcceptance",
      typicalAcceptance,
      () => draftModel(small()),
      [32, 24, 30, 35, 29, 21, 37, 12, 9, 20, 7, 29, 1, 18, 22, 7, 13, 12, 14, 5, 26, 39, 10, 8],
    ],
    [
      "lantern",
      () => lantern({ neighbours, delta: 0.5 }),
      () => draftModel(small()),
      [32, 37, 33, 19, 17, 39, 8, 10, 14, 9, 18, 9, 6, 4, 37, 31, 13, 35, 36, 2, 1, 1, 22, 2],
    ],
  ];

  test.for(settings)("%s", async ([, verifier, drafter, expected]) => {
    const sampling = { temperature: 0.9, topK: 20, topP: 0.95, presencePenalty: 0.3 };
    const { tokens } = await run(target(), [7, 3, 7], {
      ...sampling,
      seed: 2026,
      maxTokens: 24,
      verifier: verifier(),
      ...(drafter === null ? {} : { drafter: drafter(), draftLength: constantLength(6) }),
    });
    expect(tokens).toEqual(expected);
  });

  test("greedy", async () => {
    const { tokens } = await run(target(), [7, 3, 7], {
      maxTokens: 24,
      verifier: greedy(),
      drafter: draftModel(small()),
    });
    expect(tokens).toEqual([
      3, 29, 3, 39, 20, 26, 4, 13, 27, 17, 35, 16, 12, 11, 22, 12, 17, 38, 39, 10, 37, 38, 39, 10,
    ]);
  });
});
