import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { addedToken } from "./byte-vocabulary.ts";
import { hardTexts, mixedText } from "./hard-texts.ts";
import { findDifferences } from "./native-batches.ts";
import { createReference } from "./reference.ts";

// Every normalizer and pre-tokenizer against the reference, in front of a model whose tokens are
// bytes: its ids spell the normalized text, its ranges the origins, its word ids the cuts.

const bytes = Array.from({ length: 256 }, (_, byte): [string, number] => [
  `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  byte,
]);
const spelled = (parts: Record<string, unknown>): object => ({
  version: "1.0",
  model: { type: "BPE", vocab: Object.fromEntries(bytes), merges: [], byte_fallback: true },
  ...parts,
});
const sequence = (...normalizers: object[]): object => ({ type: "Sequence", normalizers });
const bert = (flags: Record<string, boolean | null>): object => ({
  type: "BertNormalizer",
  clean_text: false,
  handle_chinese_chars: false,
  strip_accents: false,
  lowercase: false,
  ...flags,
});
const replace = (pattern: object, content: string): object => ({
  type: "Replace",
  pattern,
  content,
});

const normalizers: Record<string, object> = {
  NFC: { type: "NFC" },
  NFD: { type: "NFD" },
  NFKC: { type: "NFKC" },
  NFKD: { type: "NFKD" },
  Lowercase: { type: "Lowercase" },
  Nmt: { type: "Nmt" },
  StripAccents: { type: "StripAccents" },
  ByteLevel: { type: "ByteLevel" },
  "Strip left": { type: "Strip", strip_left: true, strip_right: false },
  "Strip right": { type: "Strip", strip_left: false, strip_right: true },
  Strip: { type: "Strip", strip_left: true, strip_right: true },
  Prepend: { type: "Prepend", prepend: "▁x" },
  "Replace text": replace({ String: "a" }, "▁"),
  "Replace pattern": replace({ Regex: "\\s+" }, " "),
  "Replace nothing, everywhere": replace({ Regex: "x*" }, "_"),
  "Replace the start of lines": replace({ Regex: "^" }, "é_"),
  "Replace the end of lines": replace({ Regex: "$" }, "_"),
  "Replace where no word ends": replace({ Regex: "\\B" }, "|"),
  "Replace what was put in front": sequence(
    { type: "Prepend", prepend: "é" },
    replace({ Regex: "^" }, "_"),
    replace({ Regex: "[_é]+" }, "w"),
  ),
  "Replace by nothing": replace({ Regex: "[a-m]+" }, ""),
  "BERT cleaning": bert({ clean_text: true }),
  "BERT ideographs": bert({ handle_chinese_chars: true }),
  "BERT accents": bert({ strip_accents: true }),
  "BERT lower case": bert({ lowercase: true }),
  BERT: bert({
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  }),
  "all of Llama": sequence({ type: "Prepend", prepend: "▁" }, replace({ String: " " }, "▁")),
  "NFD, StripAccents, Strip, Lowercase": sequence(
    { type: "NFD" },
    { type: "StripAccents" },
    { type: "Strip", strip_left: true, strip_right: true },
    { type: "Lowercase" },
  ),
  "Nmt, NFKC, Replace": sequence(
    { type: "Nmt" },
    { type: "NFKC" },
    replace({ Regex: " {2,}" }, " "),
  ),
};

const mark = (scheme: string, split: boolean, replacement = "▁"): object => ({
  type: "Metaspace",
  replacement,
  prepend_scheme: scheme,
  split,
});
const steps = (...pretokenizers: object[]): object => ({ type: "Sequence", pretokenizers });
const byteLevel = { type: "ByteLevel", add_prefix_space: true, trim_offsets: true };

const preTokenizers: Record<string, object> = {
  "Metaspace always": mark("always", true),
  "Metaspace first": mark("first", true),
  "Metaspace never": mark("never", true),
  "Metaspace uncut": mark("always", false),
  "Metaspace with an emoji": mark("always", true, "😀"),
  Whitespace: { type: "Whitespace" },
  WhitespaceSplit: { type: "WhitespaceSplit" },
  BertPreTokenizer: { type: "BertPreTokenizer" },
  Punctuation: { type: "Punctuation" },
  "Punctuation merged": { type: "Punctuation", behavior: "MergedWithPrevious" },
  Digits: { type: "Digits", individual_digits: true },
  CharDelimiterSplit: { type: "CharDelimiterSplit", delimiter: "e" },
  "Split at lines": {
    type: "Split",
    pattern: { Regex: "^|$" },
    behavior: "Isolated",
    invert: false,
  },
  FixedLength: { type: "FixedLength", length: 3 },
  UnicodeScripts: { type: "UnicodeScripts" },
  ByteLevel: byteLevel,
  "ByteLevel before others": steps(byteLevel, { type: "Digits", individual_digits: false }),
  "ByteLevel twice": steps(byteLevel, { type: "Punctuation", behavior: "Contiguous" }, byteLevel),
  "Metaspace after a cut": steps({ type: "WhitespaceSplit" }, mark("always", true)),
};

const added = [
  addedToken("<s>"),
  addedToken("<m>", { lstrip: true, rstrip: true }),
  addedToken("<N> É", { normalized: true, special: false }),
  addedToken("the", { normalized: true, special: false, single_word: true }),
];
const extra = [
  "<s>",
  "<m>",
  "<N> É",
  "<n> é",
  "the",
  "The",
  "İ",
  "ΟΔΟΣ",
  "ﬁ",
  "½",
  "\u0344",
  "\0",
  "▁",
];
const texts = [...hardTexts, ...fc.sample(mixedText(extra), { numRuns: 1500, seed: 7 })];
const all = { addSpecialTokens: false, decode: false, details: true };

describe.each([
  ...Object.entries(normalizers).map(([name, normalizer]) => [name, { normalizer }] as const),
  ...Object.entries(preTokenizers).map(([name, part]) => [name, { pre_tokenizer: part }] as const),
])("%s", (_, parts) => {
  test.each([
    ["", []],
    [" with added tokens", added],
  ])("agrees with the reference%s", { timeout: 60_000 }, async (_name, added_tokens) => {
    const json = spelled({ ...parts, added_tokens });
    expect(await findDifferences(createTokenizer(json), createReference(json), texts, all)).toEqual(
      [],
    );
  });
});
