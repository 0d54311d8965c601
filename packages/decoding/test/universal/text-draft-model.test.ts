import { philox } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { constantLength, textDraftModel } from "../../src/index.ts";
import { Reencoder } from "../../src/drafters/reencoder.ts";
import { expectEqualTexts } from "../equal-text.ts";
import { hashRule, markovSequence } from "../markov-model.ts";
import { run } from "../run.ts";
import { toyTokenizer } from "./toy-tokenizer.ts";

const bytes = ["<0xC3>", "<0xA9>", "<0xB1>"];
const target = toyTokenizer(["a", "b", " ", "ab", " a", " ab", "ba", "aab", "bb", ...bytes]);
const drafts = [false, true].map((prefix) =>
  toyTokenizer(["b", "a", "é", "▁", "▁b", "abb", "▁ab", "ba", ...bytes], { space: "▁", prefix }),
);

describe("Reencoder", () => {
  const pieces = fc.array(fc.stringMatching(/^[ab é]{0,6}$/u), { maxLength: 30 });

  test.for([0, 1])("equals encoding the whole text, in any pieces (tokenizer %i)", (which) => {
    const tokenizer = drafts[which]!;
    fc.assert(
      fc.property(pieces, (all) => {
        const encoded = new Reencoder(tokenizer);
        let text = "";
        for (const piece of all) {
          const before = [...encoded.ids];
          text += piece;
          const stable = encoded.append(piece);
          expect(encoded.ids.slice(0, stable)).toEqual(before.slice(0, stable));
          expect(encoded.ids).toEqual([
            ...tokenizer.encode(text, { addSpecialTokens: false, offsets: true }).ids,
          ]);
        }
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  test("encodes a few characters for each one that is added", () => {
    const tokenizer = toyTokenizer(["a", "b", "ab"]);
    const encoded = new Reencoder(tokenizer);
    for (let i = 0; i < 1000; i++) encoded.append(i % 3 === 0 ? "b" : "a");
    expect(tokenizer.charactersEncoded).toBeLessThan(30 * 1000);
  });
});

describe("textDraftModel", () => {
  /** Writes a long text, cut as the tokenizer cuts it. */
  const writer = (tokenizer: typeof target, text: string) => {
    const { ids } = tokenizer.encode(text, { addSpecialTokens: false, offsets: true });
    return {
      ids,
      sequence: () =>
        markovSequence({
          vocabSize: 14,
          rule: (cached) =>
            Array.from({ length: 14 }, (_, id) => (id === ids[cached.length] ? 9 : 0)),
        }),
    };
  };
  const random = philox(4);
  const letters = ["a", "b", " ab", " a", "é", "bba"];
  const text = Array.from({ length: 120 }, (_, i) => letters[Math.floor(6 * random.uniform(i))]);

  test.for([0, 1])("of a model that writes the same text, hits (tokenizer %i)", async (which) => {
    const own = drafts[which]!;
    const big = writer(target, text.join(""));
    // What the writer sees of a text that begins with a space put there is one token longer.
    const small = writer(own, text.join(""));
    const settings = { maxTokens: 80, draftLength: constantLength(5) };
    const { tokens, last } = await run(big.sequence(), big.ids.slice(0, 9), {
      ...settings,
      drafter: textDraftModel(small.sequence(), { draft: own, target }),
    });
    expect(tokens).toEqual(Array.from(big.ids.subarray(9, 89)));
    // The last token of a draft may be cut short.
    expect(last.stats.acceptanceRate).toBeGreaterThan(0.6);
    expect(last.stats.tokensPerStep).toBeGreaterThan(2);
  });

  test("does not change the text, whatever the model writes", async () => {
    for (const own of drafts) {
      for (const top of [false, true]) {
        const make = () =>
          textDraftModel(
            markovSequence({ vocabSize: 13, rule: hashRule(13, 7), eosIds: [5], top }),
            { draft: own, target },
          );
        await expectEqualTexts(make, 30);
      }
    }
  });

  test("serves another text after the first", async () => {
    const own = drafts[0]!;
    const model = { vocabSize: 12, rule: hashRule(12, 5), eosIds: [] };
    const drafter = textDraftModel(markovSequence({ vocabSize: 11, rule: hashRule(11, 7) }), {
      draft: own,
      target,
    });
    for (const prompt of [
      [3, 1, 4],
      [3, 1, 5, 2],
      [9, 10],
    ]) {
      const plain = await run(markovSequence(model), prompt, { maxTokens: 20 });
      const settings = { maxTokens: 20, drafter, draftLength: constantLength(4) };
      const drafted = await run(markovSequence(model), prompt, settings);
      expect(drafted.tokens).toEqual(plain.tokens);
    }
  });
});
