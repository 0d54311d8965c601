import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";

// Files in which anything may stand anywhere: what is not read must be refused, by an InferenceError,
// and soon.

const replace = { type: "Replace", pattern: { Regex: "a+|^" }, content: "b" };
const template = {
  type: "TemplateProcessing",
  single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
  pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: { "<s>": { id: "<s>", ids: [257], tokens: ["<s>"] } },
};
const parts = {
  added_tokens: [addedToken("<s>"), addedToken("<m>", { lstrip: true, normalized: true })],
  normalizer: { type: "Sequence", normalizers: [{ type: "NFKC" }, replace, { prepend: "x" }] },
  post_processor: {
    type: "Sequence",
    processors: [
      { type: "ByteLevel", add_prefix_space: true, trim_offsets: true },
      template,
      { type: "RobertaProcessing", sep: ["<s>", 257], cls: ["<s>", 257], trim_offsets: true },
    ],
  },
  truncation: { max_length: 20, stride: 1, strategy: "LongestFirst", direction: "Right" },
  padding: {
    strategy: { Fixed: 6 },
    direction: "Left",
    pad_id: 1,
    pad_type_id: 0,
    pad_token: "a",
    pad_to_multiple_of: 4,
  },
};
const split = {
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: "\\p{L}+(?!x)" }, behavior: "Isolated", invert: false },
    { type: "Digits", individual_digits: true },
    { type: "Metaspace", replacement: "_", prepend_scheme: "first", split: true },
  ],
};
const decoder = {
  type: "Sequence",
  decoders: [
    { type: "ByteFallback" },
    { type: "Strip", content: " ", start: 1, stop: 1 },
    { type: "CTC", pad_token: "a", word_delimiter_token: "|", cleanup: true },
  ],
};
const words = { "[UNK]": 0, a: 1, "##b": 2 };
const files: Record<string, object> = {
  "byte-level": smallTokenizer([["a", "a"]], parts),
  "of characters": smallTokenizer([["a", "a"]], { ...parts, pre_tokenizer: split, decoder }),
  unigram: {
    pre_tokenizer: split,
    model: {
      type: "Unigram",
      unk_id: 0,
      vocab: [
        ["<unk>", 0],
        ["a", -1.5],
        ["_", -2],
      ],
    },
  },
  "of words": {
    pre_tokenizer: { type: "BertPreTokenizer" },
    model: {
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 9,
      vocab: words,
    },
  },
};

/** As deep as a stack. */
function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = { type: "NFC" };
  for (let i = 0; i < depth; i++) value = wrap(value);
  return value;
}

const hostile: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 24,
  2 ** 53,
  1e308,
  "",
  "a",
  "\ud800",
  "__proto__",
  "a".repeat(5000),
  "(".repeat(5000),
  "a{99999}{99999}",
  "[[[[",
  "\\",
  [],
  {},
  [[]],
  [null],
  JSON.parse('{"__proto__": {"type": "NFC"}, "constructor": 1, "toString": 2, "length": 3}'),
  { type: "__proto__" },
  { type: "constructor" },
  { type: "Sequence" },
  { Fixed: 1e9 },
  nested(3000, (inner) => ({ type: "Sequence", normalizers: [inner] })),
  nested(3000, (inner) => ({ type: "Sequence", pretokenizers: [inner] })),
  nested(3000, (inner) => ({ type: "Sequence", processors: [inner] })),
  nested(3000, (inner) => ({ type: "Sequence", decoders: [inner] })),
  nested(3000, (inner) => [inner]),
];

/** Every place in a value, as a path of keys; of long lists the first entries. */
function placesOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [[...path]];
  const entries = Object.entries(value).slice(0, 12);
  return [[...path], ...entries.flatMap(([key, inner]) => placesOf(inner, [...path, key]))];
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((inner: unknown, i) =>
      String(i) === key ? replaced(inner, rest, by) : inner,
    );
  }
  if (typeof value !== "object" || value === null) return by;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([name, inner]) => [name, name === key ? replaced(inner, rest, by) : inner]),
  );
}

function use(file: object): void {
  const tokenizer = createTokenizer(file, { model_max_length: 5 });
  for (const text of ["", "aab <s> 12  é😀\n<m>", "a".repeat(300)]) {
    for (const addSpecialTokens of [true, false]) {
      const { ids } = tokenizer.encode(text, { offsets: true, addSpecialTokens });
      const known = ids.filter((id) => tokenizer.idToToken(id) !== undefined);
      tokenizer.decode(known, { skipSpecialTokens: true });
      void tokenizer.encode(text, { pair: "b", addSpecialTokens }).overflowing.length;
    }
  }
  createTokenizer(tokenizer.toJson());
}

/** What went wrong other than by an InferenceError, or took too long. */
function complaintOf(file: unknown): string | null {
  const start = performance.now();
  try {
    use(file as object);
  } catch (error) {
    if (!InferenceError.is(error)) return String(error);
  }
  const time = performance.now() - start;
  return time < 3000 ? null : `took ${time} ms`;
}

describe.each(Object.entries(files))("a file %s", (_, file) => {
  test("is read as it is", () => {
    expect(() => use(file)).not.toThrow();
  });

  test("with anything in any place is read or refused", { timeout: 120_000 }, () => {
    const place = fc.constantFrom(...placesOf(file));
    // By number: a value that is too deep cannot be printed either.
    const value = fc.oneof(
      fc.nat(hostile.length - 1).map((number) => ({ number })),
      fc.jsonValue().map((json) => ({ json })),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(place, value), { minLength: 1, maxLength: 3 }), (changes) => {
        const mutated = changes.reduce<unknown>(
          (each, [path, by]) => replaced(each, path, "json" in by ? by.json : hostile[by.number]),
          file,
        );
        expect(complaintOf(mutated)).toBeNull();
      }),
      { numRuns: 400, seed: 11 },
    );
  });
});
