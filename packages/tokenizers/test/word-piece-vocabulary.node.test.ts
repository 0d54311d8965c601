import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { createTokenizer, fromWordPieceVocabulary } from "../src/index.ts";

const data = new URL("../../../../shared/oracles/tokenizers/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/oracles/tokenizers here)";
const read = (path: string): Buffer => readFileSync(new URL(path, data));

describe.skipIf(reason !== "")(`published vocabularies${reason}`, () => {
  test.each(["bert-base-uncased", "bert-base-cased"])("%s", { timeout: 30_000 }, (name) => {
    const vocabulary = read(`wordpiece/${name}.vocab.txt`).toString();
    const tokenizer = fromWordPieceVocabulary(vocabulary, { lowercase: name.endsWith("uncased") });
    const json = gunzipSync(read(`derived/${name}.tokenizer.json.gz`)).toString();
    const whole = createTokenizer(json);
    const texts = JSON.parse(read("corpus/conformance.json").toString()) as { text: string }[];
    expect(texts).toHaveLength(144);
    for (const { text } of texts) {
      const { ids } = tokenizer.encode(text);
      expect([text, ...ids]).toEqual([text, ...whole.encode(text).ids]);
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(
        whole.decode(ids, { skipSpecialTokens: true }),
      );
    }
  });
});

const lines = [
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
  "un",
  "##aff",
  "##able",
  "é",
  "e",
  "!",
];

test.each(["\n", "\r\n"])("reads lines that end with %j", (end) => {
  const text = lines.join(end) + end;
  const uncased = fromWordPieceVocabulary(text, { lowercase: true });
  expect([...uncased.encode("Unaffable É! [MASK]").ids]).toEqual([2, 5, 6, 7, 9, 10, 4, 3]);
  const cased = fromWordPieceVocabulary(text, { lowercase: false });
  expect([...cased.encode("unaffable É é").ids]).toEqual([2, 5, 6, 7, 1, 8, 3]);
  expect(cased.padId).toBe(0);
  expect(cased.vocabSize).toBe(lines.length);
});

test.each([
  ['line 12: expected a token of its own, got "un" of line 6', [...lines, "un"]],
  ["expected a token [CLS], got none", lines.filter((line) => line !== "[CLS]")],
])("refuses: %s", (message, list) => {
  expect(() => fromWordPieceVocabulary(list.join("\n"), { lowercase: true })).toThrow(message);
});
