import { expect, test } from "vitest";
import { createTokenizer, fromLegacyBpe } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";

const merges = [
  ["a", "a"],
  ["aa", "b"],
  [" ", "t"],
] as const;
const json = smallTokenizer(merges, { added_tokens: [addedToken("<s>")] });
const model = json["model"] as { vocab: Record<string, number>; merges: string[][] };
const lines = ["#version: 0.2", ...model.merges.map((pair) => pair.join(" ")), ""];

test.each(["\n", "\r\n"])("reads the same as one file, lines ending with %j", (end) => {
  const whole = createTokenizer(json);
  for (const vocab of [model.vocab, JSON.stringify(model.vocab)]) {
    const tokenizer = fromLegacyBpe(vocab, lines.join(end), { specialTokens: ["<s>"] });
    for (const text of ["aab aaab the <s>t", " ", "", "é漢<s>"]) {
      expect(tokenizer.encode(text, { offsets: true })).toEqual(
        whole.encode(text, { offsets: true }),
      );
    }
    expect(tokenizer.isSpecial(tokenizer.tokenToId("<s>")!)).toBe(true);
  }
});

test("cuts by a pattern and puts a space in front", () => {
  const tokens = (options: object): (string | undefined)[] => {
    const tokenizer = fromLegacyBpe(model.vocab, lines.join("\n"), options);
    return Array.from(tokenizer.encode("taab").ids, (id) => tokenizer.idToToken(id));
  };
  expect(tokens({})).toEqual(["t", "aab"]);
  expect(tokens({ addPrefixSpace: true })).toEqual(["Ġt", "aab"]);
  expect(tokens({ pattern: "a" })).toEqual(["t", "a", "a", "b"]);
});

test.each([
  ["vocab.json: expected JSON", "{", ""],
  ["model.merges[1]: expected two tokens", model.vocab, "#version: 0.2\na a\na\n"],
  ['model.merges[0]: expected tokens of the vocabulary, which lacks "zz"', model.vocab, "z z"],
])("refuses: %s", (message, vocab, text) => {
  expect(() => fromLegacyBpe(vocab, text)).toThrow(message);
});
