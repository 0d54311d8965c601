import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";
import { parseGgufMetadata } from "../src/cli/gguf-file.ts";
import { createTokenizer, fromGgufVocabulary, type Tokenizer } from "../src/index.ts";
import { smallTokenizer } from "./byte-vocabulary.ts";
import { writeCharsmap } from "./charsmap-writer.ts";

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
    const tokenizer = fromGgufVocabulary(parseGgufMetadata(file, name)!);
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

/** The project's own unigram tokenizer, as a file for `t5` says it. */
describe("a t5 vocabulary", () => {
  interface Unigram {
    readonly unk_id: number;
    readonly vocab: readonly (readonly [piece: string, score: number])[];
  }
  const fixture = (name: string): unknown =>
    JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), "utf8"));
  const { model } = fixture("unigram") as { model: Unigram };
  const t5 = (parts: Record<string, unknown> = {}): Tokenizer =>
    fromGgufVocabulary({
      "tokenizer.ggml.model": "t5",
      "tokenizer.ggml.tokens": model.vocab.map(([piece]) => piece),
      "tokenizer.ggml.scores": Float32Array.from(model.vocab, ([, score]) => score),
      "tokenizer.ggml.token_type": model.vocab.map((_, id) =>
        id === model.unk_id ? 2 : id < 3 ? 3 : 1,
      ),
      "tokenizer.ggml.unknown_token_id": model.unk_id,
      "tokenizer.ggml.eos_token_id": 1,
      "tokenizer.ggml.padding_token_id": 0,
      "tokenizer.ggml.add_space_prefix": true,
      "tokenizer.ggml.remove_extra_whitespaces": true,
      ...parts,
    });

  test("has the ids of the tokenizer.json that it comes from", () => {
    const texts = (fixture("texts") as { test: string[] }).test;
    const { items } = fixture("unigram.expected") as {
      items: { ids: number[]; special: number[] }[];
    };
    const tokenizer = t5();
    let compared = 0;
    texts.forEach((text, i) => {
      // The fixture normalizes to NFKC and keeps spaces at the ends, which the file cannot say.
      if (text !== text.normalize("NFKC").trim()) return;
      compared++;
      const plain = tokenizer.encode(text, { addSpecialTokens: false });
      expect([text, ...plain.ids]).toEqual([text, ...items[i]!.ids]);
      expect([...tokenizer.encode(text).ids]).toEqual(items[i]!.special);
      if (plain.ids.includes(model.unk_id)) return;
      expect(tokenizer.decode(plain.ids)).toBe(text.replace(/ +/gu, " "));
    });
    expect(compared).toBeGreaterThan(8);
    expect([tokenizer.eosId, tokenizer.padId, tokenizer.bosId]).toEqual([1, 0, null]);
  });

  test("squeezes spaces, finds control tokens, and ends texts where the file says so", () => {
    const tokenizer = t5();
    expect([...tokenizer.encode("  a  boat ").ids]).toEqual([...tokenizer.encode("a boat").ids]);
    expect([...tokenizer.encode("a</s>").ids].slice(-2)).toEqual([1, 1]);
    expect([...tokenizer.encode("</s>", { special: "text" }).ids].slice(0, -1)).not.toContain(1);
    const bare = t5({ "tokenizer.ggml.add_eos_token": false });
    expect([...bare.encode("a").ids]).toEqual([...tokenizer.encode("a").ids].slice(0, -1));
  });

  test("applies the character map of the file", () => {
    const charsmap = writeCharsmap({ "\u00a0": " ", ﬁ: "fi" });
    const tokenizer = t5({ "tokenizer.ggml.precompiled_charsmap": charsmap });
    expect([...tokenizer.encode("a\u00a0ﬁn").ids]).toEqual([...tokenizer.encode("a fin").ids]);
  });
});

test.each<[code: string, message: string, parts: Record<string, unknown>]>([
  ...["rwkv", "none", "no_vocab", "plamo2", "T5"].map(
    (name): [string, string, Record<string, unknown>] => [
      "unsupported",
      `ggml.model: "${name}" is not supported`,
      { "tokenizer.ggml.model": name },
    ],
  ),
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
