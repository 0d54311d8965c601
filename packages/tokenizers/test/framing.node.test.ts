import fc from "fast-check";
import type { Encoding as Reference } from "tokenizers";
import { describe, expect, test } from "vitest";
import { createTokenizer, type Encoding } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";
import { mixedText } from "./hard-texts.ts";
import { createReference, unitsByCodePoint } from "./reference.ts";

// Pairs, pre-tokenized texts, post-processors, truncation and padding against the reference.

const special = [addedToken("<s>"), addedToken("</s>"), addedToken("<pad>")];
const merges = [
  ["a", "b"],
  [" ", "a"],
  [" ", "ab"],
] as const;
const template = {
  type: "TemplateProcessing",
  single: [
    { SpecialToken: { id: "<s>", type_id: 0 } },
    { Sequence: { id: "A", type_id: 0 } },
    { SpecialToken: { id: "</s>", type_id: 0 } },
  ],
  pair: [
    { SpecialToken: { id: "<s>", type_id: 0 } },
    { Sequence: { id: "B", type_id: 2 } },
    { SpecialToken: { id: "</s>", type_id: 1 } },
    { Sequence: { id: "A", type_id: 1 } },
  ],
  special_tokens: {
    "<s>": { id: "<s>", ids: [259, 260], tokens: ["<s>", "</s>"] },
    "</s>": { id: "</s>", ids: [260], tokens: ["</s>"] },
  },
};
const text0 = (id: "A" | "B", type_id = 0): object => ({ Sequence: { id, type_id } });
const withoutTexts = {
  ...template,
  single: [{ SpecialToken: { id: "<s>", type_id: 2 } }],
  pair: [text0("B", 1), { SpecialToken: { id: "<s>", type_id: 2 } }],
};
const withCopies = {
  ...template,
  single: [text0("A", 3), { SpecialToken: { id: "</s>", type_id: 1 } }, text0("A", 4)],
  pair: [text0("B"), text0("A", 1), text0("B", 2)],
};
/** Keeps the number of parts, which the reference needs for a second template. */
const bare = { ...template, single: [text0("A", 5)], pair: [text0("A", 6), text0("B", 7)] };
const trim = { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true };
const ends = { sep: ["</s>", 260], cls: ["<s>", 259] };
const inTurn = (...steps: object[]): object => ({ type: "Sequence", processors: steps });
const bert = { type: "BertProcessing", ...ends };
const roberta = {
  type: "RobertaProcessing",
  ...ends,
  trim_offsets: true,
  add_prefix_space: true,
};
const processors: Record<string, object | null> = {
  none: null,
  TemplateProcessing: template,
  BertProcessing: bert,
  RobertaProcessing: roberta,
  "RobertaProcessing without its members, which is BERT's": { ...ends, type: "RobertaProcessing" },
  "BertProcessing with RoBERTa's members": { ...roberta, type: "BertProcessing" },
  ByteLevel: trim,
  "ByteLevel and TemplateProcessing": inTurn(trim, template),
  "a template without the text": withoutTexts,
  "a template with the text twice": withCopies,
  "a template, then BERT's and ByteLevel": inTurn(template, bert, trim),
  "a template with the text twice, then RoBERTa's": inTurn(withCopies, roberta),
  "BERT's, then a template with the text twice": inTurn(bert, withCopies),
  "RoBERTa's, then BERT's": inTurn(roberta, bert),
  "two templates, trimmed in between": inTurn(bare, trim, template),
  "BERT's, trimmed twice": inTurn(trim, bert, inTurn(trim, bare)),
};
const pad = (parts: object): object => ({
  strategy: "BatchLongest",
  direction: "Right",
  pad_to_multiple_of: null,
  pad_id: 261,
  pad_type_id: 3,
  pad_token: "<pad>",
  ...parts,
});
const cut = (parts: object): object => ({
  direction: "Right",
  max_length: 9,
  strategy: "LongestFirst",
  stride: 0,
  ...parts,
});
const lengths: Record<string, object> = {
  "no truncation": {},
  "padding to a multiple": { padding: pad({ pad_to_multiple_of: 8 }) },
  "padding on the left": { padding: pad({ strategy: { Fixed: 30 }, direction: "Left" }) },
  truncation: { truncation: cut({}) },
  "truncation on the left and padding": {
    truncation: cut({ direction: "Left", max_length: 17, stride: 2 }),
    padding: pad({ strategy: { Fixed: 21 } }),
  },
  "truncation of the first": { truncation: cut({ strategy: "OnlyFirst", max_length: 14 }) },
  "truncation of the second": { truncation: cut({ strategy: "OnlySecond", max_length: 14 }) },
};

function show(encoding: Encoding): Record<string, number[]> {
  return {
    ids: [...encoding.ids],
    offsets: [...encoding.offsets!],
    words: [...encoding.wordIds],
    special: [...encoding.specialTokensMask],
    attention: [...encoding.attentionMask],
  };
}

function expected(
  encoding: Reference,
  actual: Encoding,
  texts: readonly string[],
): Record<string, number[]> {
  return {
    ids: encoding.getIds(),
    offsets: encoding.getOffsets().flatMap((range, i) => {
      const units = unitsByCodePoint(texts[Math.max(0, actual.sequenceIds[i]!)]!);
      return range.map((at) => units[at]!);
    }),
    words: encoding.getWordIds().map((word) => word ?? -1),
    special: encoding.getSpecialTokensMask(),
    attention: encoding.getAttentionMask(),
  };
}

function orError<T>(action: () => T): Error | T {
  try {
    return action();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const text = mixedText(["ab", " ab", "a", "<s>", "</s>", "  "]);
/** Chunks of a text that is used twice are combined with each other. */
const shortText = text.map((each) => each.slice(0, 10));

describe.each(Object.entries(processors))("post-processor: %s", (kind, post_processor) => {
  const some = kind.includes("twice") ? shortText : text;
  test.each(Object.entries(lengths))("%s", { timeout: 60_000 }, async (_name, parts) => {
    const json = smallTokenizer(merges, { added_tokens: special, post_processor, ...parts });
    const tokenizer = createTokenizer(json);
    const reference = createReference(json);
    // Version 0.23 stops encoding where it thinks that truncation will cut, and so loses what
    // overflows and cuts pairs elsewhere. Truncating what was encoded in full still works.
    const whole = createReference(smallTokenizer(merges, { added_tokens: special }));
    await fc.assert(
      fc.asyncProperty(
        some,
        fc.option(some),
        fc.boolean(),
        async (first, pair, addSpecialTokens) => {
          const texts = [first, pair ?? ""].map((each) =>
            each.replace(/\p{Surrogate}/gu, "\ufffd"),
          );
          const options = { addSpecialTokens, offsets: true, ...(pair !== null && { pair }) };
          const [one, two] = await whole.encodeBatch(texts, { addSpecialTokens: false });
          const encoding = orError(() =>
            reference.postProcess(one!, pair === null ? null : two!, addSpecialTokens),
          );
          const actual = orError(() => tokenizer.encode(first, options));
          expect(actual instanceof Error).toBe(encoding instanceof Error);
          if (actual instanceof Error || encoding instanceof Error) return;
          expect(show(actual)).toEqual(expected(encoding, actual, texts));
          // Without a post-processor, the reference leaves a second text the type it had.
          const keepsTypes = pair !== null && post_processor === null;
          const types = encoding.getTypeIds().join();
          expect([types, keepsTypes && actual.typeIds.join()]).toContain(actual.typeIds.join());
          expect([...tokenizer.encode(first, { ...options, offsets: false }).ids]).toEqual([
            ...actual.ids,
          ]);
          const rest = encoding.getOverflowing();
          expect(actual.overflowing.map(show)).toEqual(
            rest.map((each, i) => expected(each, actual.overflowing[i]!, texts)),
          );
          // A second text that was encoded apart has another type where it overflows.
          if (pair !== null) return;
          expect(actual.overflowing.map(({ typeIds }) => [...typeIds])).toEqual(
            rest.map((each) => each.getTypeIds()),
          );
        },
      ),
      { numRuns: 60, seed: 3 },
    );
  });
});

// The native package refuses lists of words, against its own types, so this has no oracle.
test("encodes pre-tokenized text word by word", () => {
  const json = smallTokenizer(merges, { added_tokens: special, post_processor: template });
  const tokenizer = createTokenizer(json);
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), (words) => {
      const alone = words.map((word) =>
        tokenizer.encode(word, { addSpecialTokens: false, offsets: true }),
      );
      const whole = tokenizer.encode(words, { addSpecialTokens: false, offsets: true });
      expect([...whole.ids]).toEqual(alone.flatMap((each) => [...each.ids]));
      expect([...whole.offsets]).toEqual(alone.flatMap((each) => [...each.offsets]));
      expect([...whole.wordIds]).toEqual(alone.flatMap((each, i) => [...each.ids].map(() => i)));
      const framed = [259, 260, ...whole.ids, 260];
      expect([...tokenizer.encode(words).ids]).toEqual(framed);
    }),
    { seed: 5 },
  );
});

test("keeps all that truncation cuts off, in chunks that share the stride", () => {
  const json = smallTokenizer(merges, { added_tokens: special, post_processor: template });
  const tokenizer = createTokenizer(json);
  const options = { truncation: { maxLength: 7, stride: 1 }, padding: false } as const;
  const encoding = tokenizer.encode("0123456789", options);
  const chunks = [encoding, ...encoding.overflowing].map((each) =>
    each.tokens.filter((_, i) => each.specialTokensMask[i] === 0).join(""),
  );
  expect(chunks).toEqual(["0123", "3456", "6789"]);
  expect(encoding.overflowing.map((each) => each.attentionMask.length)).toEqual([7, 7]);
});

test("gives pairs the type ids of the template", async () => {
  for (const post_processor of Object.values(processors)) {
    const json = smallTokenizer(merges, { added_tokens: special, post_processor });
    for (const addSpecialTokens of [true, false]) {
      const encoding = createTokenizer(json).encode("ab a", { pair: "b", addSpecialTokens });
      const same = await createReference(json).encode("ab a", "b", { addSpecialTokens });
      expect([...encoding.typeIds]).toEqual(same.getTypeIds());
    }
  }
});

test("finds the token of a character and the characters of a token", () => {
  const json = smallTokenizer(merges, { added_tokens: special, post_processor: template });
  const encoding = createTokenizer(json).encode("ab ab", { pair: "é" });
  expect(encoding.tokens).toEqual(["<s>", "</s>", "Ã", "©", "</s>", "ab", "Ġab"]);
  expect([0, 2, 4, 5].map((at) => encoding.charToToken(at))).toEqual([5, 6, 6, null]);
  expect(encoding.charToToken(0, 1)).toBe(2);
  expect([0, 3, 6].map((token) => encoding.tokenToChars(token))).toEqual([null, [0, 1], [2, 5]]);
});
