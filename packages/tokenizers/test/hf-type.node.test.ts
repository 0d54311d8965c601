import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { createReference, expectSame } from "./reference.ts";

// Components without a type, as very old files have them: the reference tells them by their members.

const vocab = { "<unk>": 0, a: 1, b: 2, c: 3, "<s>": 4, "</s>": 5 };
const ends = { sep: ["</s>", 5], cls: ["<s>", 4] };
const template = {
  single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 3 } }],
  pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: { "<s>": { id: "<s>", ids: [4], tokens: ["<s>"] } },
};
const replace = { pattern: { String: "a" }, content: "c" };
const bert = { clean_text: true, handle_chinese_chars: true, lowercase: true };
const all: Record<string, Record<string, unknown>> = {
  normalizer: {
    BertNormalizer: bert,
    "BertNormalizer with accents": { ...bert, strip_accents: false },
    "BertNormalizer without a member": { clean_text: true, handle_chinese_chars: true },
    Strip: { strip_left: true, strip_right: false },
    Sequence: { normalizers: [{ prepend: "b" }, replace] },
    "Sequence of nothing known": { normalizers: [{}] },
    Replace: replace,
    Prepend: { prepend: "b" },
    "Replace before Prepend": { prepend: "b", ...replace },
    "a type of null": { type: null, prepend: "b" },
    nothing: {},
  },
  pre_tokenizer: {
    ByteLevel: { add_prefix_space: true, trim_offsets: true, use_regex: true },
    CharDelimiterSplit: { delimiter: "a" },
    Metaspace: { replacement: "_", prepend_scheme: "always", split: true },
    Sequence: { pretokenizers: [] },
    Split: { pattern: { String: "a" }, behavior: "Removed", invert: false },
    Punctuation: { behavior: "Isolated" },
    Digits: { individual_digits: true },
    FixedLength: { length: 1 },
  },
  post_processor: {
    RobertaProcessing: { ...ends, trim_offsets: true, add_prefix_space: true },
    BertProcessing: ends,
    "BertProcessing with a member of RoBERTa's": { ...ends, trim_offsets: true },
    TemplateProcessing: template,
    "TemplateProcessing with one template": { ...template, pair: undefined },
    ByteLevel: { add_prefix_space: true, trim_offsets: true },
    Sequence: { processors: [] },
  },
  decoder: {
    BPEDecoder: { suffix: "a" },
    WordPiece: { prefix: "a", cleanup: true },
    CTC: { pad_token: "a", word_delimiter_token: "b", cleanup: false },
    Replace: replace,
    Strip: { content: "a", start: 1, stop: 0 },
    "Strip of two characters": { content: "ab", start: 1, stop: 0 },
    ByteLevel: { add_prefix_space: true, trim_offsets: true },
    Metaspace: { replacement: "a", add_prefix_space: true },
    Sequence: { decoders: [] },
  },
  model: {
    BPE: { vocab, merges: [], unk_token: "<unk>" },
    "BPE with merges of null": { vocab, merges: null, unk_token: "<unk>" },
    WordPiece: {
      vocab,
      unk_token: "<unk>",
      continuing_subword_prefix: "",
      max_input_chars_per_word: 3,
    },
    "WordPiece without a length": { vocab, unk_token: "<unk>", continuing_subword_prefix: "" },
    "WordPiece without an unknown token": {
      vocab,
      continuing_subword_prefix: "",
      max_input_chars_per_word: 3,
    },
    WordLevel: { vocab, unk_token: "<unk>" },
    "WordLevel without an unknown token": { vocab },
    Unigram: {
      unk_id: 0,
      vocab: [
        ["<unk>", 0],
        ["a", -1],
      ],
    },
  },
};

function isError(action: () => unknown): boolean {
  try {
    action();
    return false;
  } catch {
    return true;
  }
}

describe.each(Object.entries(all))("%s", (name, components) => {
  test.each(Object.entries(components))("%s", async (_, component) => {
    const json = {
      version: "1.0",
      pre_tokenizer: { type: "WhitespaceSplit" },
      model: { type: "WordLevel", vocab, unk_token: "<unk>" },
      [name]: component,
    };
    const isRefused = isError(() => createReference(json));
    expect(isError(() => createTokenizer(json))).toBe(isRefused);
    if (isRefused) return;
    for (const text of ["a b c", " A É漢 abc", "", "b"]) {
      await expectSame(createTokenizer(json), createReference(json), text);
    }
    const pair = createTokenizer(json).encode("a b", { pair: "c" });
    const same = await createReference(json).encode("a b", "c");
    expect([...pair.ids]).toEqual(same.getIds());
    expect([...pair.typeIds]).toEqual(same.getTypeIds());
  });
});

test("an error names the place", () => {
  const model = { type: "WordLevel", vocab, unk_token: "<unk>" };
  const create = (parts: object): unknown => createTokenizer({ model, ...parts });
  expect(() => create({ normalizer: { normalizers: [{ prepend: 1 }] } })).toThrow(
    "tokenizer.json normalizer.normalizers[0].prepend: expected a string, got 1",
  );
  expect(() => create({ decoder: {} })).toThrow("tokenizer.json decoder.type: expected a string");
});
