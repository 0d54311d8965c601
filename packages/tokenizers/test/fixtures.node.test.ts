import { readFileSync } from "node:fs";
import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";

// Small tokenizers of every kind, trained for this project with the reference library on texts of
// its own; `tooling/oracles/train-tokenizers.py` made them and what the library makes of the texts.

interface Expected {
  readonly ids: readonly number[];
  readonly offsets: readonly number[];
  readonly special: readonly number[];
  readonly decoded: string;
  readonly decodedSkip: string;
}

const read = (name: string): string =>
  readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), "utf8");
const texts = (JSON.parse(read("texts")) as { readonly test: readonly string[] }).test;

/** Every kind, and whether it is read yet. */
const kinds: Readonly<Record<string, "read" | "refused">> = {
  "byte-level-bpe": "read",
  "byte-level-split": "read",
  "bpe-byte-fallback": "read",
  "bpe-suffix": "read",
  wordpiece: "read",
  unigram: "read",
  "unigram-byte-fallback": "read",
  characters: "read",
  "word-level": "read",
};
const named = (state: "read" | "refused"): string[] =>
  Object.keys(kinds).filter((name) => kinds[name] === state);

describe("tokenizers of the project's own", () => {
  test.each(named("read"))("%s: ids, offsets and text as recorded", (name) => {
    const tokenizer = createTokenizer(read(name));
    const { items } = JSON.parse(read(`${name}.expected`)) as { readonly items: Expected[] };
    expect(items).toHaveLength(texts.length);
    items.forEach((item, i) => {
      const text = texts[i]!;
      const plain = tokenizer.encode(text, { addSpecialTokens: false, offsets: true });
      const full = tokenizer.encode(text);
      expect({
        text,
        ids: [...plain.ids],
        offsets: [...plain.offsets],
        special: [...full.ids],
        decoded: tokenizer.decode(plain.ids),
        decodedSkip: tokenizer.decode(full.ids, { skipSpecialTokens: true }),
      }).toEqual({ text, ...item });
    });
  });

  // When one of these fails, the kind is read by now: move it to the others.
  test.each(named("refused"))("%s: refused for a part that is not here yet", (name) => {
    const refusal = expect.objectContaining({ code: "unsupported" });
    const json = read(name);
    expect(() => createTokenizer(json)).toThrow(InferenceError);
    expect(() => createTokenizer(json)).toThrow(refusal);
  });
});
