import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";
import { createTokenizer, fromGgufVocabulary } from "../src/index.ts";
import { smallTokenizer } from "./byte-vocabulary.ts";
import { readGgufMetadata } from "./gguf-file.ts";

const data = new URL("../../../../shared/oracles/tokenizers/gguf/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/oracles/tokenizers here)";

const read = (name: string): Buffer => readFileSync(new URL(name, data));

describe.skipIf(reason !== "")(`vocabularies of llama.cpp${reason}`, () => {
  test.each([
    ["deepseek-coder", "ggml-vocab-deepseek-coder.gguf.gz"],
    ["starcoder", "ggml-vocab-starcoder.gguf.gz"],
    ["llama-spm", "ggml-vocab-llama-spm.gguf"],
    ["bert-bge", "ggml-vocab-bert-bge.gguf"],
  ])("%s", (name, path) => {
    const file = path.endsWith(".gz") ? gunzipSync(read(path)) : read(path);
    const tokenizer = fromGgufVocabulary(readGgufMetadata(file));
    const texts = read(`ggml-vocab-${name}.gguf.inp`).toString().split("\n__ggml_vocab_test__\n");
    const lines = read(`ggml-vocab-${name}.gguf.out`).toString().split("\n");
    expect(texts.length).toBeGreaterThan(40);
    texts.forEach((text, i) => {
      const ids = [...tokenizer.encode(text, { addSpecialTokens: false }).ids].join(" ");
      expect([text, ids]).toEqual([text, lines[i]!.trim()]);
    });
  });
});

const json = smallTokenizer([
  ["a", "b"],
  ["1", "2"],
  ["12", "3"],
]);
const { vocab, merges } = json["model"] as { vocab: Record<string, number>; merges: string[][] };
const ids = Object.entries(vocab).sort(([, a], [, b]) => a - b);
const tokens = [...ids.map(([token]) => token), "<s>", "<mine>"];
const metadata = (parts: Record<string, unknown> = {}): Record<string, unknown> => ({
  "tokenizer.ggml.model": "gpt2",
  "tokenizer.ggml.pre": "gpt-2",
  "tokenizer.ggml.tokens": tokens,
  "tokenizer.ggml.token_type": Int32Array.from(tokens, (token) =>
    token === "<s>" ? 3 : token === "<mine>" ? 4 : 1,
  ),
  "tokenizer.ggml.merges": merges.map((pair) => pair.join(" ")),
  "tokenizer.ggml.bos_token_id": tokens.length - 2,
  ...parts,
});

test("reads plain objects and maps alike", () => {
  const text = "abab 123 <mine>é";
  const expected = [...createTokenizer(json).encode("abab 123 ").ids, tokens.length - 1];
  for (const source of [metadata(), new Map(Object.entries(metadata()))]) {
    const tokenizer = fromGgufVocabulary(source);
    expect([...tokenizer.encode(text).ids].slice(0, expected.length)).toEqual(expected);
    expect(tokenizer.bosId).toBe(tokens.length - 2);
    expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
  }
});

test("puts the first token in front where the file says so", () => {
  const tokenizer = fromGgufVocabulary(metadata({ "tokenizer.ggml.add_bos_token": true }));
  expect(tokenizer.encode("x").ids[0]).toBe(tokens.length - 2);
  expect(tokenizer.encode("<s>x", { special: "text", addSpecialTokens: false }).ids[0]).toBe(60);
});

test.each([
  ["llama3", "1231", ["123", "1"]],
  ["qwen2", "12", ["1", "2"]],
  ["starcoder", "12", ["1", "2"]],
  ["deepseek-v3", "1231", ["123", "1"]],
  ["gpt-4o", "abAB", ["ab", "A", "B"]],
  ["tekken", "12", ["1", "2"]],
  ["falcon", "12ab!", ["12", "ab", "!"]],
  ["default", "12ab", ["12", "ab"]],
])("cuts as %s", (pre, text, expected) => {
  const tokenizer = fromGgufVocabulary(metadata({ "tokenizer.ggml.pre": pre }));
  const actual = Array.from(tokenizer.encode(text).ids, (id) => tokenizer.idToToken(id));
  expect(actual).toEqual(expected);
});

test.each([
  ["unsupported", 'ggml.model: "rwkv" is not supported', { "tokenizer.ggml.model": "rwkv" }],
  ["unsupported", 'ggml.pre: "mine" is not supported', { "tokenizer.ggml.pre": "mine" }],
  ["format", "ggml.model: expected a string, got 3", { "tokenizer.ggml.model": 3 }],
  ["format", "ggml.tokens: expected an array of strings", { "tokenizer.ggml.tokens": null }],
  ["format", "ggml.tokens[1]: expected a string, got 5", { "tokenizer.ggml.tokens": ["a", 5] }],
  ["format", "ggml.token_type: expected 261 numbers", { "tokenizer.ggml.token_type": [1] }],
  ["format", "ggml.bos_token_id: expected an id below", { "tokenizer.ggml.bos_token_id": 1e9 }],
  ["format", "ggml.add_bos_token: expected true", { "tokenizer.ggml.add_bos_token": 1 }],
  ["format", "two tokens", { "tokenizer.ggml.merges": ["ab"] }],
])("refuses metadata (%s): %s", (code, message, parts) => {
  const error = ((): unknown => {
    try {
      return fromGgufVocabulary(metadata(parts));
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(InferenceError.is(error, code as "format")).toBe(true);
  expect((error as InferenceError).message).toContain(message);
});
