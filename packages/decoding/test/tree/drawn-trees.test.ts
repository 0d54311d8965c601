import { InferenceError, type Sequence } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  type Drafter,
  dynamicTree,
  gumbelCoupled,
  kSeq,
  multiRound,
  recursiveRejection,
  rsdConstant,
  rsdStochasticBeam,
  sampleMatch,
  sequoiaTree,
  specInferTree,
  specTrChains,
  type Verifier,
} from "../../src/index.ts";
import { hashRule, markovSequence, tableRule } from "../markov-model.ts";
import { run } from "../run.ts";

const p = [
  [0.4, 0.3, 0.2, 0.1],
  [0.1, 0.2, 0.3, 0.4],
  [0, 0.5, 0.25, 0.25],
  [0.25, 0.25, 0.25, 0.25],
];
const q = [
  [0.1, 0.5, 0.3, 0.1],
  [0.4, 0.2, 0.2, 0.2],
  [0.3, 0.3, 0.4, 0],
  [0.1, 0.2, 0.3, 0.4],
];
const sequenceOf = (table: number[][]) =>
  markovSequence({ vocabSize: 4, rule: tableRule(table), tree: true, eosIds: [3] });

/** The pairs of tokens after the first one that is 0, over many seeds, against the target's law. */
const chiSquared = async (
  verifier: () => Verifier,
  drafter: () => Drafter,
  runs = 2500,
): Promise<number> => {
  const counts = new Map<string, number>();
  let total = 0;
  for (let seed = 0; seed < runs; seed++) {
    const { tokens } = await run(sequenceOf(p), [0], {
      temperature: 1,
      seed,
      maxTokens: 3,
      verifier: verifier(),
      drafter: drafter(),
      draftLength: constantLength(9),
    });
    if (tokens[0] === 3) continue;
    const [first, ...pair] = tokens;
    counts.set(`${first}:${pair.join()}`, (counts.get(`${first}:${pair.join()}`) ?? 0) + 1);
    total++;
  }
  let sum = 0;
  for (const first of [0, 1, 2]) {
    for (const a of [0, 1, 2, 3]) {
      // Token 3 ends the text: nothing follows it.
      for (const b of a === 3 ? [null] : [0, 1, 2, 3]) {
        const mass = (p[0]![first]! / 0.9) * p[first]![a]! * (b === null ? 1 : p[a]![b]!);
        const key = `${first}:${b === null ? a : `${a},${b}`}`;
        if (mass === 0) expect(counts.get(key)).toBeUndefined();
        else sum += ((counts.get(key) ?? 0) - total * mass) ** 2 / (total * mass);
      }
    }
  }
  return sum;
};

describe(
  "the text is distributed as the target's, ends of the text inside blocks included",
  { timeout: 60_000 },
  () => {
    // At most 38 degrees of freedom; 70.7 is exceeded once in a thousand times.
    test.for([
      ["multiRound", multiRound, specInferTree],
      ["kSeq", kSeq, specInferTree],
      ["recursiveRejection", recursiveRejection, rsdConstant],
    ] as const)("%s", async ([, verifier, drafter]) => {
      const made = () => drafter(sequenceOf(q), { branching: [3, 2] });
      expect(await chiSquared(verifier, made)).toBeLessThan(70.7);
    });

    test.for([
      ["a stochastic beam of 3", () => rsdStochasticBeam(sequenceOf(q), { width: 3, depth: 2 })],
      ["a stochastic beam of 2", () => rsdStochasticBeam(sequenceOf(q), { width: 2, depth: 2 })],
      ["a budget of 5", () => dynamicTree(sequenceOf(q), { budget: 5 })],
      ["a threshold of 0.2", () => dynamicTree(sequenceOf(q), { threshold: 0.2 })],
      ["a fixed tree", () => sequoiaTree(sequenceOf(q), { tree: [[0], [1], [0, 0], [2], [1, 0]] })],
    ] as const)("recursiveRejection of %s", async ([, made]) => {
      expect(await chiSquared(recursiveRejection, made)).toBeLessThan(70.7);
    });

    test("kSeq of three chains", async () => {
      const made = () => specTrChains(sequenceOf(q), { chains: 3, length: 2 });
      expect(await chiSquared(kSeq, made)).toBeLessThan(70.7);
    });

    test("and a wrong pairing shows", async () => {
      const wrong = (): Drafter => {
        const inner = specInferTree(sequenceOf(q), { branching: [3, 2] });
        return { ...inner, propose: async (context) => sorted(await inner.propose(context)) };
      };
      expect(await chiSquared(multiRound, wrong, 6000)).toBeGreaterThan(100);
    });
  },
);

/** The bug of sorting first siblings after drawing them; leaves only. */
function sorted(draft: Awaited<ReturnType<Drafter["propose"]>>): typeof draft {
  const nodes = [...draft.tokens.keys()].filter((i) => draft.parents![i]! < 0);
  const tokens = nodes.map((node) => draft.tokens[node]!).toSorted((a, b) => b - a);
  return {
    tokens: Uint32Array.from(tokens),
    parents: Int32Array.from(tokens, () => -1),
    laws: nodes.map((node) => draft.laws![node]!),
    runMs: 0,
  };
}

describe("a tree of draws", () => {
  const target = () => markovSequence({ vocabSize: 12, rule: hashRule(12, 5, 2, 2), tree: true });
  const small = () => markovSequence({ vocabSize: 12, rule: hashRule(12, 5, 2), tree: true });

  const drafters = [
    ["specInferTree", (draft) => specInferTree(draft, { branching: [3, 2, 1] })],
    ["rsdConstant", (draft) => rsdConstant(draft, { branching: [3, 2, 1] })],
    ["rsdStochasticBeam", (draft) => rsdStochasticBeam(draft, { width: 3, depth: 3 })],
    ["sequoiaTree", (draft) => sequoiaTree(draft)],
    ["dynamicTree by budget", (draft) => dynamicTree(draft, { budget: 9 })],
    ["dynamicTree by threshold", (draft) => dynamicTree(draft, { threshold: 0.1 })],
  ] as const satisfies [string, (draft: Sequence) => Drafter][];

  test.for(drafters)(
    "of %s leaves the text as it is, greedy or not, with penalties",
    async (row) => {
      const draft = small();
      const drafter = row[1](draft);
      for (const seed of [1, 2, 3, 4]) {
        const more = seed % 2 === 0 ? { presencePenalty: 0.4 } : {};
        for (const temperature of [0, 0.8]) {
          for (const verifier of [sampleMatch(), gumbelCoupled()]) {
            const options = {
              temperature,
              topP: 0.9,
              topK: 9,
              ...more,
              seed,
              maxTokens: 30,
              verifier,
            };
            const plain = await run(target(), [1, 2], options);
            const drafted = await run(target(), [1, 2], {
              ...options,
              drafter,
              draftLength: constantLength(14),
            });
            expect(drafted.tokens).toEqual(plain.tokens);
            expect(drafted.last.stats.accepted).toBeGreaterThan(3);
            // The text begins the cache; what follows may be the last tree.
            const text = [1, 2, ...plain.tokens];
            expect(draft.cached.slice(0, 3)).toEqual(text.slice(0, 3));
          }
        }
      }
    },
  );

  test("runs every row of the draft model once", async () => {
    for (const [, make] of drafters) {
      const draft = small();
      const options = { temperature: 0.8, seed: 5, maxTokens: 30 };
      const { last } = await run(target(), [1, 2], {
        ...options,
        drafter: make(draft),
        draftLength: constantLength(14),
      });
      const rows = draft.steps.reduce((sum, step) => sum + step.rows, 0);
      // Rows are the text's, or drafted tokens that may have something below them.
      expect(rows).toBeLessThanOrEqual(2 + last.stats.tokens + last.stats.drafted);
      expect(draft.peak).toBeLessThanOrEqual(draft.length + 14 + 30);
    }
  });

  test("with the target as its own draft model is accepted as deep as it goes", async () => {
    const options = { temperature: 1, topK: 8, seed: 3, maxTokens: 60, verifier: gumbelCoupled() };
    const drafter = rsdConstant(target(), { branching: [2, 1, 1] });
    const { last } = await run(target(), [1, 2], {
      ...options,
      drafter,
      draftLength: constantLength(6),
    });
    expect(last.stats.tokensPerStep).toBeGreaterThan(3.5);
  });

  test("is refused where it cannot be drawn", () => {
    const chains = markovSequence({ vocabSize: 4, rule: tableRule(p) });
    expect(() => specInferTree(chains, { branching: [2] })).toThrow(
      expect.toSatisfy((error: unknown) => InferenceError.is(error, "unsupported")),
    );
    expect(() => rsdConstant(sequenceOf(q), { branching: [] })).toThrow("branching: expected");
    const none = { chains: 0, length: 2 };
    expect(() => specTrChains(sequenceOf(q), none)).toThrow("chains: expected an integer >= 1");
  });
});
