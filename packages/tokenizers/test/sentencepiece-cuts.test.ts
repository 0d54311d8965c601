import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  fromGgufVocabulary,
  fromSentencePiece,
  fromWordPieceVocabulary,
  StreamEncoder,
  type Tokenizer,
} from "../src/index.ts";
import { writeCharsmap } from "./charsmap-writer.ts";
import { hardTexts, mixedText } from "./hard-texts.ts";
import { pushAll } from "./push-all.ts";
import { writeSentencePieceModel, type ModelParts } from "./sentencepiece-writer.ts";

const UNIGRAM = 1;
const BPE = 2;
const WORD = 3;
const CHAR = 4;
const S = "\u2581";
// Scores that 32 bits cannot hold exactly, many of them nearly equal: rounding decides.
const words = ["the", `${S}the`, "he", `${S}t`, "ab", "ba", `${S}ab`, "aba", `a${S}b`, `${S}${S}`];
const letters = [S, ...Array.from("abcdefghinorst.,!?0123456789é漢かA")];
const pieces: ModelParts["pieces"] = [
  ["<unk>", 0, 2],
  ["<s>", 0, 3],
  ["</s>", 0, 3],
  ...letters.map((letter, i) => [letter, -3.3 - i / 97] as const),
  ...words.map((word, i) => [word, -3.7 - word.length * 2.1 - i / 1013] as const),
  ["[mine]", -9, 4],
  ["a b", -9, 4],
];
const bytes = Array.from(
  { length: 256 },
  (_, byte) => [`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`, 0, 6] as const,
);
const charsmap = writeCharsmap({
  "\t": " ",
  "\u00a0": " ",
  "\u00ad": "",
  "e\u0301": "é",
  ﬁ: "fi",
  " \u0308": "x",
  th: "T",
  "…": " . ",
});

const variants: Record<string, Partial<ModelParts>> = {
  "spaces kept": { normalizer: { 4: 0 } },
  "spaces squeezed": {},
  "no space in front": { normalizer: { 3: 0, 4: 0 } },
  "no space in front, squeezed": { normalizer: { 3: 0 } },
  "a character map": { normalizer: { 2: charsmap } },
  "a character map, spaces kept": { normalizer: { 2: charsmap, 4: 0 } },
  "spaces not escaped": {
    normalizer: { 5: 0 },
    pieces: [...pieces, [" ", -3.5], [" the", -5.5], [" a", -4.5]],
  },
  bytes: { pieces: [...pieces, ...bytes], trainer: { 35: 1 }, normalizer: { 4: 0 } },
};
const make = (algorithm: number, parts: Partial<ModelParts>, parseControl: boolean): Tokenizer =>
  fromSentencePiece(
    writeSentencePieceModel({ pieces, ...parts, trainer: { ...parts.trainer, 3: algorithm } }),
    { parseControl, addBos: true, addEos: true },
  );

const extra = ["the ", " the", "ab ", "aba", "[mine]", "a b", "<s>", "</s>", "<", "s>", "  ", "\t"];
const more = ["\u00ad", "…", "e\u0301", " \u0308", "漢", "犬", "😀", S, "ﬁ", "th"];
const text = fc.oneof(
  mixedText([...extra, ...more]),
  fc.array(fc.constantFrom(...extra, ...more, "a", "b"), { maxLength: 30 }).map((a) => a.join("")),
  fc.constantFrom(...hardTexts),
);
const cuts = fc.array(fc.nat({ max: 100_000 }), { maxLength: 20 });

describe.each([
  ["unigram", UNIGRAM, 1300],
  ["byte-pair encoding", BPE, 1300],
  ["characters", CHAR, 200],
])("%s: ids of a text in pieces are those of the whole", (_, algorithm, numRuns) => {
  // 8 variants, each text cut at up to 20 places.
  test.each(Object.keys(variants))("%s", { timeout: 60_000 }, (name) => {
    const tokenizers = [true, false].map((parse) => make(algorithm, variants[name]!, parse));
    let early = 0;
    fc.assert(
      fc.property(text, cuts, fc.nat(3), (source, at, how) => {
        const tokenizer = tokenizers[how & 1]!;
        const options = { special: how < 2 ? "parse" : "text", addSpecialTokens: how > 0 } as const;
        const ids = [...tokenizer.encode(source, options).ids];
        const encoder = new StreamEncoder(tokenizer, options);
        expect(pushAll(encoder, source, at)).toEqual(ids);
        // A flushed stream is as new.
        early += encoder.push(source).length;
        encoder.flush();
        expect(pushAll(encoder, source, [])).toEqual(ids);
      }),
      { numRuns, seed: 7 },
    );
    expect(early).toBeGreaterThan(4 * numRuns);
  });
});

test("of a vocab.txt too", { timeout: 60_000 }, () => {
  const tokens = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    ...Array.from("abthe.,漢"),
    "##a",
    "##b",
    "the",
  ];
  for (const lowercase of [true, false]) {
    const tokenizer = fromWordPieceVocabulary(tokens.join("\n"), { lowercase });
    fc.assert(
      fc.property(text, cuts, (source, at) => {
        const ids = [...tokenizer.encode(source).ids];
        expect(pushAll(new StreamEncoder(tokenizer), source, at)).toEqual(ids);
      }),
      { numRuns: 5000, seed: 7 },
    );
  }
});

describe("what is held back", () => {
  test.each([UNIGRAM, BPE])("of ordinary text a few words, model type %i", (algorithm) => {
    for (const parts of Object.values(variants)) {
      const tokenizer = make(algorithm, parts, false);
      const encoder = new StreamEncoder(tokenizer, { addSpecialTokens: false });
      const line = "the boat had to be there. 12 oars, ";
      let settled = 0;
      for (let i = 0; i < 40; i++) for (const unit of line) settled += encoder.push(unit).length;
      const all = tokenizer.encode(line.repeat(40), { addSpecialTokens: false }).ids.length;
      expect(all - settled).toBeLessThan(60);
    }
  });

  test("everything where a part depends on all of the text", () => {
    const unused = pieces.map(([piece, score]) => [piece, score, piece === "ab" ? 5 : 1] as const);
    for (const tokenizer of [
      make(WORD, {}, false),
      make(UNIGRAM, { trainer: { 24: 1 } }, false),
      make(BPE, { pieces: [["<unk>", 0, 2], ...unused.slice(3)] }, false),
    ]) {
      expect(tokenizer.cuts).toBeNull();
      const source = "the ab the ab ba";
      const encoder = new StreamEncoder(tokenizer);
      expect(encoder.push(source)).toHaveLength(0);
      expect([...encoder.flush()]).toEqual([...tokenizer.encode(source).ids]);
    }
  });
});

test("carries the sum of scores, without which rounding would decide otherwise", () => {
  // Far from zero the two ways differ by less than a 32-bit sum can tell, and the first wins.
  const near = [
    ["<unk>", 0, 2],
    [S, -1],
    ["a", -1],
    ["b", -1],
    ["c", -1],
    ["ab", -2],
    ["bc", -2.000_01],
  ] as const;
  const tokenizer = fromSentencePiece(
    writeSentencePieceModel({ pieces: near, normalizer: { 3: 0, 4: 0 } }),
  );
  const tail = (source: string): string[] => [...tokenizer.encode(source).tokens].slice(-2);
  const long = `${"a ".repeat(20_000)}abc`;
  expect(tail("abc")).toEqual(["ab", "c"]);
  expect(tail(long)).toEqual(["a", "bc"]);
  expect(pushAll(new StreamEncoder(tokenizer), long, [99, 20_000])).toEqual([
    ...tokenizer.encode(long).ids,
  ]);
});

test("a GGUF vocabulary is cut like the model it comes from", () => {
  const tokenizer = fromGgufVocabulary({
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": pieces.map(([piece]) => piece),
    "tokenizer.ggml.scores": pieces.map(([, score]) => score),
    "tokenizer.ggml.token_type": pieces.map(([, , type = 1]) => type),
    "tokenizer.ggml.unknown_token_id": 0,
    "tokenizer.ggml.bos_token_id": 1,
  });
  const source = "the <s> ab the</s>  b the boat";
  const every = Array.from(source, (_, i) => i);
  expect(pushAll(new StreamEncoder(tokenizer), source, every)).toEqual([
    ...tokenizer.encode(source).ids,
  ]);
});
