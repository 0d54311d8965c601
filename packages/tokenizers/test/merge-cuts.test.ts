import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTokenizer, StreamEncoder, type Tokenizer } from "../src/index.ts";
import { addedToken } from "./byte-vocabulary.ts";
import { hardTexts, mixedText } from "./hard-texts.ts";
import { pushAll } from "./push-all.ts";

const S = "\u2581";
const merges = [
  ["t", "h"],
  ["th", "e"],
  [S, "the"],
  [S, S],
  ["a", "b"],
  [S, "ab"],
  ["b", "a"],
  [`${S}${S}`, `${S}${S}`],
  ["ab", "ab"],
  ["e", "r"],
];
const bytes = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
);
const letters = [S, ...Array.from("abehrtxyz.,!?0123é漢")];
const words = merges.map((pair) => pair.join(""));
const vocab = ["<unk>", ...bytes, ...letters, ...words].map((token, id) => [token, id]);
const prepend = { type: "Prepend", prepend: S };
const replace = { type: "Replace", pattern: { String: " " }, content: S };

function make(parts: object, model: object = {}): Tokenizer {
  return createTokenizer({
    version: "1.0",
    added_tokens: [
      addedToken("<s>"),
      addedToken("</s>", { rstrip: true, special: false }),
      addedToken("[mine]", { lstrip: true, single_word: true }),
    ].map((token, i) => ({ ...token, id: 900 + i })),
    normalizer: { type: "Sequence", normalizers: [prepend, replace] },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(vocab),
      merges,
      unk_token: "<unk>",
      fuse_unk: true,
      byte_fallback: true,
      ...model,
    },
    ...parts,
  });
}

const byFile: Record<string, Tokenizer> = {
  "a mark in front, as in Llama 2": make({}),
  "none in front, as in Gemma": make({
    normalizer: replace,
    pre_tokenizer: {
      type: "Split",
      pattern: { String: " " },
      behavior: "MergedWithPrevious",
      invert: false,
    },
  }),
  "unknown characters": make({}, { byte_fallback: false }),
};
const extra = [
  "<s>",
  "</s>",
  "[mine]",
  "<s",
  "/s>",
  "the ",
  " the",
  "ab",
  "aba",
  "  ",
  S,
  "é",
  "😀",
  "漢",
];
const text = fc.oneof(
  mixedText(extra),
  fc.array(fc.constantFrom(...extra, "a", "b", "t"), { maxLength: 30 }).map((a) => a.join("")),
  fc.constantFrom(...hardTexts),
);
const cuts = fc.array(fc.nat({ max: 100_000 }), { maxLength: 20 });

describe("ids of a text in pieces are those of the whole", () => {
  test.each(Object.keys(byFile))("%s: 2,000 splits", { timeout: 60_000 }, (name) => {
    const tokenizer = byFile[name]!;
    let early = 0;
    fc.assert(
      fc.property(text, cuts, fc.nat(1), (source, at, how) => {
        const options = { special: how === 1 ? "parse" : "text" } as const;
        const ids = [...tokenizer.encode(source, options).ids];
        const encoder = new StreamEncoder(tokenizer, options);
        expect(pushAll(encoder, source, at)).toEqual(ids);
        early += encoder.push(source).length;
        encoder.flush();
        // A flushed stream is as new.
        expect(pushAll(encoder, source, [])).toEqual(ids);
      }),
      { numRuns: 2000, seed: 7 },
    );
    expect(early).toBeGreaterThan(8000);
  });

  test.each(Object.keys(byFile))("%s: one unit at a time", (name) => {
    const line = "the ab [mine] the ab, abab  the </s>  éx the. ";
    const all = [...byFile[name]!.encode(line.repeat(9)).ids];
    const every = Array.from({ length: 9 * line.length }, (_, i) => i);
    expect(pushAll(new StreamEncoder(byFile[name]!), line.repeat(9), every)).toEqual(all);
  });
});

test("of ordinary text a few words are held back", () => {
  for (const tokenizer of Object.values(byFile)) {
    const encoder = new StreamEncoder(tokenizer);
    const line = "the ab the abab ab. ";
    let settled = 0;
    for (let i = 0; i < 40; i++) for (const unit of line) settled += encoder.push(unit).length;
    expect(tokenizer.encode(line.repeat(40)).ids.length - settled).toBeLessThan(20);
  }
});

test.each<[name: string, tokenizer: Tokenizer]>([
  [
    "another mark in front",
    make({
      normalizer: { type: "Sequence", normalizers: [{ ...prepend, prepend: "a" }, replace] },
    }),
  ],
  [
    "tokens of normalized text",
    make({ added_tokens: [{ ...addedToken("<s>"), id: 900, normalized: true }] }),
  ],
  ["texts that are tokens are not merged", make({}, { ignore_merges: true })],
  ["suffixes", make({}, { end_of_word_suffix: "x" })],
])("everything with %s", (_, tokenizer) => {
  expect(tokenizer.cuts).toBeNull();
});
