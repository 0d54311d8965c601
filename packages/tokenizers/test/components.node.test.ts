import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";
import { hardTexts, mixedText } from "./hard-texts.ts";
import { createReference, expectSame } from "./reference.ts";

// Every part that can be read, in small tokenizers of its own, against the reference.

const merges = [
  ["a", "a"],
  ["aa", "a"],
  ["aa", "aa"],
  [" ", "a"],
  ["t", "h"],
  ["th", "e"],
  [" ", "the"],
  [" ", " "],
  ["  ", "  "],
  ["Ã", "©"],
  ["Ã©", "Ã©"],
  ["1", "2"],
  ["æ", "¼"],
  ["=", "="],
  ["==", "=="],
] as const;

const byteLevel = (prefix: boolean, regex: boolean): object => ({
  type: "ByteLevel",
  add_prefix_space: prefix,
  trim_offsets: true,
  use_regex: regex,
});
const sequence = (...pretokenizers: object[]): object => ({ type: "Sequence", pretokenizers });
const split = (pattern: object, behavior: string, invert = false): object => ({
  type: "Split",
  pattern,
  behavior,
  invert,
});
const template = {
  type: "TemplateProcessing",
  single: [
    { SpecialToken: { id: "<s>", type_id: 0 } },
    { Sequence: { id: "A", type_id: 0 } },
    { SpecialToken: { id: "</s>", type_id: 0 } },
  ],
  pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: {
    "<s>": { id: "<s>", ids: [271], tokens: ["<s>"] },
    "</s>": { id: "</s>", ids: [272, 271], tokens: ["</s>", "<s>"] },
  },
};
const trim = (prefix: boolean): object => ({
  type: "ByteLevel",
  add_prefix_space: prefix,
  trim_offsets: true,
  use_regex: true,
});
const ends = [addedToken("<s>"), addedToken("</s>")];
const strips = [
  addedToken("<m>", { lstrip: true, rstrip: true }),
  addedToken("<l>", { lstrip: true }),
  addedToken("<r>", { rstrip: true, normalized: true, special: false }),
  addedToken("   ", { rstrip: true, special: false }),
  addedToken("the", { single_word: true, special: false, normalized: true }),
  addedToken("then", { special: false }),
  addedToken("e\u0301!", { normalized: true }),
];
const touching = ["a", "aab", "aabaab", "baa", "é", "<", "<<"].map((text) => addedToken(text));

const llama3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" +
  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const variants: Record<string, [parts: Record<string, unknown>, model?: Record<string, unknown>]> =
  {
    "the GPT-2 pattern": [{}],
    "a space in front": [{ pre_tokenizer: byteLevel(true, true) }],
    "a space in front, uncut": [{ pre_tokenizer: byteLevel(true, false) }],
    "no cuts at all": [{ pre_tokenizer: byteLevel(false, false) }],
    NFC: [{ normalizer: { type: "NFC" } }],
    "NFC with a space in front": [
      { normalizer: { type: "NFC" }, pre_tokenizer: byteLevel(true, true) },
    ],
    "NFC in a sequence, twice": [
      { normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "NFC" }] } },
    ],
    "single digits": [
      {
        pre_tokenizer: sequence(
          { type: "Digits", individual_digits: true },
          byteLevel(false, true),
        ),
      },
    ],
    "runs of digits, then a space in front of each piece": [
      {
        pre_tokenizer: sequence(
          { type: "Digits", individual_digits: false },
          byteLevel(true, true),
        ),
      },
    ],
    "the Llama 3 pattern": [
      { pre_tokenizer: sequence(split({ Regex: llama3 }, "Isolated"), byteLevel(false, false)) },
    ],
    "a template": [{ added_tokens: ends, post_processor: template }],
    "trimmed offsets": [{ added_tokens: strips, post_processor: trim(false) }],
    "trimmed offsets with a space in front": [
      { pre_tokenizer: byteLevel(true, true), post_processor: trim(true) },
    ],
    "trimming, then a template": [
      {
        added_tokens: ends,
        post_processor: { type: "Sequence", processors: [trim(true), template] },
      },
    ],
    "stripping and whole words": [{ added_tokens: strips, normalizer: { type: "NFC" } }],
    "added tokens that touch": [{ added_tokens: touching }],
    "merges ignored for whole tokens": [{}, { ignore_merges: true, merges: [] }],
    "legacy merges": [{}, { merges: ["a a", "aa a", "aa aa", "t h"] }],
  };
for (const behavior of [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
]) {
  for (const invert of [false, true]) {
    for (const pattern of [{ Regex: "\\s" }, { Regex: "a*" }, { String: "aa" }]) {
      const name = `${behavior} ${invert ? "inverted " : ""}${JSON.stringify(pattern)}`;
      const pre_tokenizer = sequence(split(pattern, behavior, invert), byteLevel(false, false));
      variants[name] = [{ pre_tokenizer }];
    }
  }
}

const extra = [
  "<s>",
  "</s>",
  "<m>",
  "<l>",
  "<r>",
  "the",
  "then",
  "é!",
  "aab",
  "aabaab",
  "<",
  "a",
  "=",
];

describe.each(Object.entries(variants))("%s", (_, [parts, model]) => {
  const json = smallTokenizer(merges, parts, model);

  test("agrees with the reference", { timeout: 60_000 }, async () => {
    const tokenizer = createTokenizer(json);
    const reference = createReference(json);
    for (const text of hardTexts) await expectSame(tokenizer, reference, text);
    await fc.assert(
      fc.asyncProperty(mixedText(extra), (text) => expectSame(tokenizer, reference, text)),
      { numRuns: 150 },
    );
  });
});

test("drops bytes that the vocabulary lacks, and shifts what follows, as the reference does", async () => {
  const json = smallTokenizer(merges);
  const model = json["model"] as { vocab: Record<string, number> };
  delete model.vocab["x"];
  delete model.vocab["¾"];
  const tokenizer = createTokenizer(json);
  const reference = createReference(json);
  for (const text of ["axb", "xx", "x the þ", "aþxéaa", "漢x漢", "¾þx"]) {
    await expectSame(tokenizer, reference, text);
  }
});

test("gives added tokens the ids the reference gives them", async () => {
  const tokens = [
    { ...addedToken("<new>"), id: 5000 },
    addedToken("the"),
    addedToken(""),
    addedToken("<new>", { special: false }),
    { ...addedToken("<next>"), id: 7 },
  ];
  const json = smallTokenizer(merges, { added_tokens: tokens });
  const tokenizer = createTokenizer(json);
  const reference = createReference(json);
  for (const token of ["<new>", "the", "<next>", "a"]) {
    expect(tokenizer.tokenToId(token)).toBe(reference.tokenToId(token));
  }
  expect(tokenizer.vocabSize).toBe(reference.getVocabSize(true));
  await expectSame(tokenizer, reference, "<next>the <new>");
});
