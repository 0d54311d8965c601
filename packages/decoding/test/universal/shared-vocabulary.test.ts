import { InferenceError, type Rng } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  type Drafter,
  draftModel,
  dynamicTree,
  gumbelCoupled,
  matchVocabularies,
  multiRound,
  recursiveRejection,
  rejection,
  rsdConstant,
  rsdStochasticBeam,
  sampleMatch,
  sharedVocabulary,
  specInferTree,
} from "../../src/index.ts";
import { enumerate } from "../enumerate.ts";
import { expectEqualTexts } from "../equal-text.ts";
import { hashRule, markovSequence, tableRule } from "../markov-model.ts";
import { run } from "../run.ts";
import { toyTokenizer } from "./toy-tokenizer.ts";

/** Twelve rows of logits, of which the tokenizer knows ten. */
const target = toyTokenizer(["</s>", "a", "b", "ab", "Ġa", "Ġ", "ba", "Ġab", "bb", "aab"], {
  space: "Ġ",
  special: ["</s>"],
});
const draft = toyTokenizer(["▁", "b", "a", "▁b", "ab", "▁a", undefined, "abb", "</s>"], {
  space: "▁",
  special: ["</s>"],
});
/** Ids of the target and their partners. */
const partners = new Map([
  [0, 8],
  [1, 2],
  [2, 1],
  [3, 4],
  [4, 5],
  [5, 0],
]);
/** The draft model has more rows than its tokenizer has tokens, too. */
const small = (more: object = {}) =>
  markovSequence({ vocabSize: 11, rule: hashRule(11, 3), tree: true, eosIds: [8], ...more });
const options = { draft, target, vocabSize: 12 };
const shared = (more: object = {}) => sharedVocabulary(small(more), options);

const verifiersOf = {
  point: sampleMatch(),
  coupled: gumbelCoupled(),
  sampled: multiRound(),
  distinct: recursiveRejection(),
};
const byText = (a: string, b: string): number => (a < b ? -1 : 1);

describe("matchVocabularies", () => {
  const spellings = (tokenizer: typeof target): (string | undefined)[] =>
    Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.idToToken(id));

  test("finds what stands for the same bytes, whatever the mark for a space", () => {
    const { from, to } = matchVocabularies(draft, target);
    expect(new Map(Array.from(to, (id, i) => [id, from[i]!]))).toEqual(partners);
  });

  test("is one to one and complete, for any two vocabularies", () => {
    const tokens = fc.array(fc.stringMatching(/^[ab ]{1,3}$/), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(tokens, tokens, (a, b) => {
        const { from, to } = matchVocabularies(toyTokenizer(a), toyTokenizer(b));
        expect(new Set(from).size).toBe(from.length);
        expect(new Set(to).size).toBe(to.length);
        for (const [i, id] of from.entries()) expect(a[id]).toBe(b[to[i]!]);
        expect(from.length).toBe(new Set(a.filter((token) => b.includes(token))).size);
        const back = matchVocabularies(toyTokenizer(b), toyTokenizer(a));
        expect(new Set(Array.from(back.from, (id, i) => `${back.to[i]} ${id}`))).toEqual(
          new Set(Array.from(from, (id, i) => `${id} ${to[i]}`)),
        );
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test("byte tokens are the bytes they name, unless another token is them too", () => {
    const fallback = toyTokenizer(["<0x61>", "a", "<0xC3>", "<0x62>", "é"]);
    const bytes = toyTokenizer(["<0xC3>", "<0x61>", "<0x62>", "é"]);
    const { from, to } = matchVocabularies(fallback, bytes);
    const pairs = Array.from(from, (id, i) => [fallback.idToToken(id), bytes.idToToken(to[i]!)]);
    expect(pairs.map((pair) => pair.join()).toSorted(byText)).toEqual([
      "<0x62>,<0x62>",
      "<0xC3>,<0xC3>",
      "a,<0x61>",
      "é,é",
    ]);
    expect(spellings(fallback)[from[to.indexOf(1)]!]).toBe("a");
  });

  test("special tokens match special ones only", () => {
    const ordinary = toyTokenizer(["<s>", "a"]);
    const special = toyTokenizer(["<s>", "a"], { special: ["<s>"] });
    expect([...matchVocabularies(ordinary, special).from]).toEqual([1]);
    expect([...matchVocabularies(special, special).from]).toEqual([0, 1]);
  });
});

describe("sharedVocabulary", () => {
  /** A drafter and what it drafted. */
  const watched = (inner: Drafter): { drafter: Drafter; ids: Set<number> } => {
    const ids = new Set<number>();
    const propose: Drafter["propose"] = async (context) => {
      const proposal = await inner.propose(context);
      for (const token of proposal.tokens) ids.add(token);
      for (const law of proposal.laws ?? []) {
        for (let i = 0; i < law.size; i++) if (law.weights[i]! > 0) ids.add(law.ids[i]!);
      }
      return proposal;
    };
    return { drafter: { ...inner, propose }, ids };
  };

  test("drafts tokens that both have, by every kind of draft", async () => {
    for (const verifier of [sampleMatch(), rejection(), gumbelCoupled(), multiRound()]) {
      for (const temperature of [0, 1]) {
        const { drafter, ids } = watched(draftModel(shared()));
        const sequence = markovSequence({ vocabSize: 12, rule: hashRule(12, 5) });
        const settings = { temperature, verifier, drafter, draftLength: constantLength(4) };
        const { last } = await run(sequence, [1, 9, 11], { ...settings, maxTokens: 40 });
        expect(last.stats.drafted).toBeGreaterThan(40);
        for (const id of ids) expect([...partners.keys()]).toContain(id);
        expect(ids.size).toBeGreaterThan(temperature > 0 ? 4 : 0);
      }
    }
  });

  test("does not change the text, greedy or sampled, in chains and in trees", async () => {
    const model = { vocabSize: 12, tree: true };
    expect(await expectEqualTexts(() => draftModel(shared()), 40, model)).toBeGreaterThan(30);
    const branching = [3, 2];
    for (const make of [specInferTree, rsdConstant]) {
      const tree = () => ({ ...make(shared(), { branching }), kinds: ["point"] as const });
      expect(await expectEqualTexts(tree, 20, model)).toBeGreaterThan(10);
    }
  });

  test("drafts nothing where a bias bans every token in common", async () => {
    const branching = [2, 2];
    const drafters: readonly Drafter[] = [
      draftModel(shared()),
      specInferTree(shared(), { branching }),
      rsdConstant(shared(), { branching }),
      rsdStochasticBeam(shared(), { width: 2, depth: 2 }),
      dynamicTree(shared(), { budget: 4 }),
      dynamicTree(shared(), { threshold: 0.1 }),
    ];
    const banned = new Map([...partners.keys()].map((id) => [id, -Infinity]));
    const sequence = () => markovSequence({ vocabSize: 12, rule: hashRule(12, 5), tree: true });
    for (const inner of drafters) {
      for (const kind of inner.kinds) {
        for (const [logitBias, isDrafted] of [
          [banned, false],
          [new Map([...banned].slice(1)), true],
        ] as const) {
          const drafter = { ...inner, kinds: [kind] };
          const verifier = verifiersOf[kind];
          const draftLength = constantLength(4);
          const settings = { temperature: 1, seed: 1, logitBias, drafter, verifier, draftLength };
          const { tokens, last } = await run(sequence(), [1, 9], { ...settings, maxTokens: 12 });
          expect(last.stats.drafted > 0).toBe(isDrafted);
          expect(tokens.filter((token) => logitBias.has(token))).toEqual([]);
        }
      }
    }
  });

  test("is exact with rejection, by enumeration", async () => {
    const p = [0.5, 0.25, 0.25];
    // The last of four tokens has no partner and half of the mass; without it there are quarters.
    const q = [0.125, 0.375, 0, 0.5];
    const three = toyTokenizer(["x", "y", "z"]);
    const four = toyTokenizer(["x", "y", "z", "w"]);
    const law = await enumerate(async (random) => {
      // Only the drafted token counts; those before and after it are the first one.
      const fixed: Rng = {
        uniform: (t, s, i) => (t !== 2 && (s ?? 0) === 0 ? 0 : random.uniform(t, s, i)),
      };
      const inner = markovSequence({ vocabSize: 4, rule: tableRule([q, q, q, q]) });
      const drafter = draftModel(sharedVocabulary(inner, { draft: four, target: three }));
      const sequence = markovSequence({ vocabSize: 3, rule: tableRule([p, p, p]) });
      const { tokens } = await run(sequence, [0], {
        temperature: 1,
        random: fixed,
        maxTokens: 3,
        drafter,
        verifier: rejection(),
        draftLength: constantLength(1),
      });
      return String(tokens[1]);
    }, 12);
    for (const [id, mass] of p.entries()) expect(law.get(String(id))).toBeCloseTo(mass, 9);
  });

  test("spells what has no partner, and rolls it back as one token", async () => {
    const inner = small();
    const sequence = sharedVocabulary(inner, options);
    // "ab", "Ġab" as "▁a" "b", "aab" as "a" "ab", and an id without a token.
    await sequence.step({ tokens: Uint32Array.of(3, 7, 9, 11) }, { logits: "none" });
    expect(inner.cached).toEqual([4, 5, 1, 2, 4, 0]);
    expect([sequence.length, sequence.info.maxLength]).toEqual([4, 4096 - 2]);
    await sequence.keep(Uint32Array.of(0, 2));
    expect(inner.cached).toEqual([4, 2, 4]);
    await expect(sequence.keep(Uint32Array.of(2))).rejects.toThrow(
      "positions: expected below 2, got 2",
    );
  });

  test("has a row for every slot, that of the last of its tokens, in a tree too", async () => {
    const inner = small();
    const sequence = sharedVocabulary(inner, options);
    const block = { tokens: Uint32Array.of(7, 1, 9), parents: Int32Array.of(-1, 0, 0) };
    const { logits } = await sequence.step(block, { logits: "all" });
    expect([logits!.rows, logits!.cols]).toEqual([3, 12]);
    const rule = hashRule(11, 3);
    // The paths are "▁a" "b", then "a", or "a" "ab".
    for (const [row, path] of [
      [5, 1],
      [5, 1, 2],
      [5, 1, 2, 4],
    ].entries()) {
      const expected = rule(path);
      for (let id = 0; id < 12; id++) {
        const partner = partners.get(id);
        const logit = partner === undefined ? -Infinity : expected[partner];
        expect(logits!.data[12 * row + id]).toBe(logit);
      }
    }
    await sequence.keep(Uint32Array.of(0, 2));
    expect(inner.cached).toEqual([5, 1, 2, 4]);
  });

  test("spellings are cut where the draft model's context ends", async () => {
    const inner = small({ maxLength: 9 });
    const drafter = draftModel(sharedVocabulary(inner, options));
    const sequence = () => markovSequence({ vocabSize: 12, rule: hashRule(12, 5), eosIds: [] });
    const plain = await run(sequence(), [7, 9, 7, 9, 7], { maxTokens: 20 });
    const drafted = await run(sequence(), [7, 9, 7, 9, 7], {
      maxTokens: 20,
      drafter,
      draftLength: constantLength(2),
    });
    expect(drafted.tokens).toEqual(plain.tokens);
    expect(inner.peak).toBe(9);
  });

  test("refuses what it cannot be", async () => {
    const isCode = (code: "range" | "unsupported" | "state") =>
      expect.toSatisfy((error: unknown) => InferenceError.is(error, code));
    expect(() => sharedVocabulary(small(), { draft, target: toyTokenizer(["q"]) })).toThrow(
      isCode("unsupported"),
    );
    expect(() => sharedVocabulary(small(), { ...options, vocabSize: 9 })).toThrow(
      "vocabSize: expected at least 10, got 9",
    );
    const used = small();
    await used.step({ tokens: Uint32Array.of(1) }, { logits: "none" });
    expect(() => sharedVocabulary(used, options)).toThrow(isCode("state"));
    const tokens = Uint32Array.of(1);
    const top = shared().step({ tokens }, { logits: { top: 1 } });
    await expect(top).rejects.toSatisfy((error) => InferenceError.is(error, "unsupported"));
    const beyond = shared().step({ tokens: Uint32Array.of(12) }, { logits: "none" });
    await expect(beyond).rejects.toThrow("tokens: expected ids below 12, got 12");
  });
});
