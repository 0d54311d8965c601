import { InferenceError, type InferenceErrorCode } from "@frugal/core";
import { expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";

const merges = [["a", "a"]] as const;
const json = (parts: Record<string, unknown>): object => smallTokenizer(merges, parts);
const model = (parts: Record<string, unknown>): object => smallTokenizer(merges, {}, parts);
const byteLevel = { type: "ByteLevel", add_prefix_space: false };
const template = (single: unknown, ids: unknown = [256]): object => ({
  type: "TemplateProcessing",
  single,
  special_tokens: { s: { id: "s", ids, tokens: ["s"] } },
});

const templatePiece = (id: string): object =>
  id === "A" ? { Sequence: { id } } : { SpecialToken: { id } };

test.each<[InferenceErrorCode, string, object | string]>([
  ["format", "tokenizer.json: expected JSON", "{"],
  ["format", "tokenizer.json: expected an object, got []", "[]"],
  ["format", "tokenizer.json: expected an object, got null", "null"],
  ["format", 'version: expected "1.0", got "2.0"', json({ version: "2.0" })],
  ["format", "model: expected an object, got nothing", {}],
  ["format", "model: expected an object, got 3", json({ model: 3 })],
  ["unsupported", 'model.type: model "Bigram" is not supported', model({ type: "Bigram" })],
  ["format", "model.dropout: expected a number in [0, 1], got 2", model({ dropout: 2 })],
  ["format", "model.end_of_word_suffix: expected a string", model({ end_of_word_suffix: 1 })],
  ["format", "model.vocab: expected an object, got [1]", model({ vocab: [1] })],
  [
    "format",
    'model.vocab["Ġ!"]: expected an integer in [0, 16777216), got -1',
    model({ vocab: { "Ġ!": -1 } }),
  ],
  ["format", "model.vocab.a: expected an integer", model({ vocab: { a: "1" } })],
  ["format", "model.vocab.a: expected an integer", model({ vocab: { a: 4e9 } })],
  [
    "format",
    'model.vocab.b: expected an id of its own, not that of "a", got 1',
    model({ vocab: { a: 1, b: 1 } }),
  ],
  ["format", "model.merges: expected an array, got {}", model({ merges: {} })],
  [
    "format",
    'model.merges[1]: expected two tokens, got "a b c"',
    model({ merges: ["a a", "a b c"] }),
  ],
  ["format", 'model.merges[0]: expected two tokens, got "ab"', model({ merges: ["ab"] })],
  ["format", 'model.merges[0]: expected two tokens, got ["a",1]', model({ merges: [["a", 1]] })],
  ["format", "model.merges[0]: expected two tokens, got 7", model({ merges: [7] })],
  ["format", 'which lacks "漢", got ["漢","a"]', model({ merges: [["漢", "a"]] })],
  ["format", 'which lacks "ab", got "a b"', model({ merges: ["a b"] })],
  ["unsupported", 'normalizer: normalizer "NFX"', json({ normalizer: { type: "NFX" } })],
  [
    "format",
    "normalizer.normalizers[1].pattern: expected an object, got nothing",
    json({ normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Replace" }] } }),
  ],
  ["format", "normalizer.type: expected a string, got nothing", json({ normalizer: {} })],
  [
    "unsupported",
    'pre_tokenizer.pretokenizers[0]: pre-tokenizer "Sentences"',
    json({
      pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Sentences" }, byteLevel] },
    }),
  ],
  [
    "format",
    "pre_tokenizer.replacement: expected one character",
    json({ pre_tokenizer: { type: "Metaspace", replacement: "ab" } }),
  ],
  [
    "format",
    'pre_tokenizer.add_prefix_space: expected true beside the scheme "first", got false',
    json({
      pre_tokenizer: {
        type: "Metaspace",
        replacement: "_",
        prepend_scheme: "first",
        add_prefix_space: false,
      },
    }),
  ],
  [
    "unsupported",
    'pre_tokenizer.pretokenizers[0].pattern.Regex: "\\X" at offset 0',
    json({
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: "\\X" }, behavior: "Isolated" },
          byteLevel,
        ],
      },
    }),
  ],
  [
    "format",
    'pretokenizers[0].behavior: expected "Removed" or',
    json({
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [{ type: "Split", pattern: { String: "a" }, behavior: "Eaten" }, byteLevel],
      },
    }),
  ],
  [
    "unsupported",
    'post_processor: post-processor "FrameProcessing"',
    json({ post_processor: { type: "FrameProcessing" } }),
  ],
  [
    "unsupported",
    "post_processor.processors[1]: expected one part or two, got 3 that the one before it left",
    json({
      post_processor: {
        type: "Sequence",
        processors: [template(["s", "A", "s"].map(templatePiece)), template([])],
      },
    }),
  ],
  [
    "format",
    "post_processor.cls: expected a token and its id, got nothing",
    json({ post_processor: { type: "BertProcessing" } }),
  ],
  [
    "format",
    'post_processor.single: expected a template with the text "A" only',
    json({ post_processor: template([{ Sequence: { id: "B" } }]) }),
  ],
  [
    "format",
    "special_tokens.s.ids[0]: expected an id below 257, got 257",
    json({ post_processor: template([{ SpecialToken: { id: "s" } }], [257]) }),
  ],
  [
    "format",
    "special_tokens.t: expected an object, got nothing",
    json({ post_processor: template([{ SpecialToken: { id: "t" } }]) }),
  ],
  ["unsupported", 'decoder: decoder "Morse"', json({ decoder: { type: "Morse" } })],
  [
    "format",
    "added_tokens[1].content: expected a string, got 5",
    json({ added_tokens: [addedToken("x"), { content: 5 }] }),
  ],
  [
    "format",
    "added_tokens[0].lstrip: expected true or false, got 1",
    json({ added_tokens: [{ ...addedToken("x"), lstrip: 1 }] }),
  ],
  ["format", "truncation.max_length: expected", json({ truncation: { max_length: -5 } })],
  [
    "format",
    'padding.direction: expected "Left" or "Right"',
    json({ padding: { strategy: { Fixed: 8 }, direction: "Up" } }),
  ],
])("%s: %s", (code, message, file) => {
  const error = ((): unknown => {
    try {
      return createTokenizer(file);
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(InferenceError.is(error, code)).toBe(true);
  expect((error as Error).message).toContain(message);
});

test("what a configuration says about tokens has to be a token", () => {
  const create = (config: object): unknown => createTokenizer(json({}), config);
  expect(() => create({ eos_token: 3 })).toThrow(
    "tokenizer_config.json eos_token: expected an obj",
  );
  expect(() => create({ eos_token: {} })).toThrow("eos_token.content: expected a string, got noth");
  expect(() => create({ extra_special_tokens: [[]] })).toThrow("extra_special_tokens[0]: expected");
});

test("names that mean something to objects are ordinary tokens", () => {
  const file = JSON.stringify(
    json({ added_tokens: [addedToken("__proto__"), addedToken("constructor")] }),
  );
  const tokenizer = createTokenizer(file);
  expect([...tokenizer.encode("__proto__constructor").ids]).toEqual([257, 258]);
});
