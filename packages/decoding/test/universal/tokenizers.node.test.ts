import { readFileSync } from "node:fs";

import { createTokenizer } from "@frugal/tokenizers";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  draftModel,
  type DraftTokenizer,
  matchVocabularies,
  rejection,
  sharedVocabulary,
  textDraftModel,
} from "../../src/index.ts";
import { Reencoder } from "../../src/drafters/reencoder.ts";
import { hashRule, markovSequence } from "../markov-model.ts";
import { run } from "../run.ts";

const fixtures = new URL("../../../tokenizers/test/fixtures/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(`${name}.json`, fixtures), "utf8");
const load = (name: string): DraftTokenizer => createTokenizer(read(name));
const { training: texts } = JSON.parse(read("texts")) as { training: string[] };

const pairs = [
  ["byte-level-bpe", "unigram-byte-fallback"],
  ["bpe-byte-fallback", "byte-level-split"],
  ["wordpiece", "bpe-suffix"],
] as const;

describe.for(pairs)("%s drafts for %s", ([draftName, targetName]) => {
  const [draft, target] = [load(draftName), load(targetName)];
  // Both models have more rows than their tokenizers have tokens.
  const vocabSize = target.vocabSize + 7;
  const small = () =>
    markovSequence({
      vocabSize: draft.vocabSize + 5,
      rule: hashRule(draft.vocabSize + 5, 3),
      eosIds: [2],
    });
  const big = () => markovSequence({ vocabSize, rule: hashRule(vocabSize, 5), eosIds: [] });
  const prompt = target.encode("The river is quiet today, é!", {
    addSpecialTokens: false,
    offsets: true,
  }).ids;

  test("shared tokens stand for the same bytes, one to one", () => {
    const { from, to } = matchVocabularies(draft, target);
    expect(from.length).toBeGreaterThan(90);
    expect(new Set(to).size).toBe(from.length);
    for (const [i, id] of from.entries()) {
      if (draft.isSpecial(id)) continue;
      expect(draft.idToBytes(id)).toEqual(target.idToBytes(to[i]!));
    }
  });

  test("a random draft model changes no text, greedy or sampled", async () => {
    const shared = () => draftModel(sharedVocabulary(small(), { draft, target, vocabSize }));
    const inText = () => textDraftModel(small(), { draft, target });
    for (const options of [{}, { temperature: 1, topK: 20, seed: 3 }]) {
      const plain = await run(big(), prompt, { ...options, maxTokens: 25 });
      for (const make of [shared, inText]) {
        const drafting = { drafter: make(), draftLength: constantLength(4) };
        const drafted = await run(big(), prompt, { ...options, ...drafting, maxTokens: 25 });
        expect(drafted.tokens).toEqual(plain.tokens);
        expect(drafted.last.stats.drafted).toBeGreaterThan(10);
      }
    }
  });

  test("what both models like is accepted", async () => {
    const { from, to } = matchVocabularies(draft, target);
    const favour = (ids: Uint32Array, size: number) => {
      const logits = new Float32Array(size);
      for (let i = 0; i < 8; i++) logits[ids[11 * i]!] = 9 - i / 3;
      return () => logits;
    };
    const inner = markovSequence({
      vocabSize: draft.vocabSize,
      rule: favour(from, draft.vocabSize),
    });
    const drafter = draftModel(sharedVocabulary(inner, { draft, target, vocabSize }));
    const sequence = markovSequence({ vocabSize, rule: favour(to, vocabSize), eosIds: [] });
    const settings = { temperature: 1, topP: 0.9, maxTokens: 60, drafter };
    const { last } = await run(sequence, prompt, { ...settings, verifier: rejection() });
    expect(last.stats.acceptanceRate).toBeGreaterThan(0.95);
  });
});

test.for(["byte-level-bpe", "byte-level-split", "bpe-byte-fallback", "unigram"])(
  "text that grows is encoded by %s as the whole is",
  (name) => {
    const tokenizer = load(name);
    for (const text of texts) {
      const encoded = new Reencoder(tokenizer);
      for (let at = 0; at < text.length; at += 7) encoded.append(text.slice(at, at + 7));
      const whole = tokenizer.encode(text, { addSpecialTokens: false, offsets: true }).ids;
      expect(encoded.ids).toEqual([...whole]);
    }
  },
);
