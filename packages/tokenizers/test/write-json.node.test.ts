import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import r50k from "js-tiktoken/ranks/r50k_base";
import { describe, expect, test } from "vitest";
import {
  createTokenizer,
  fromGgufVocabulary,
  fromLegacyBpe,
  fromSentencePiece,
  fromTiktoken,
  fromWordPieceVocabulary,
  tiktokenEncoding,
  type Tokenizer,
} from "../src/index.ts";
import { writePattern } from "../src/formats/fancy-pattern.ts";
import { smallTokenizer } from "./byte-vocabulary.ts";
import { writeCharsmap } from "./charsmap-writer.ts";
import { divergences, generateTexts } from "./generated-texts.ts";
import { createReference } from "./reference.ts";
import { writeSentencePieceModel, type ModelParts } from "./sentencepiece-writer.ts";
import { unpackRanks } from "./unpack-ranks.ts";

// What other formats are written as, read by the reference and by us: the ids stay the same.

/** The texts whose ids, or what they decode to, a written file changes. */
async function findChanged(
  tokenizer: Tokenizer,
  texts: readonly string[],
  encode: (text: string) => ArrayLike<number> = (text) => tokenizer.encode(text).ids,
): Promise<string[]> {
  const json = tokenizer.toJson();
  const again = createTokenizer(JSON.stringify(json));
  const wellFormed = texts.map((text) => text.replace(/\p{Surrogate}/gu, "\ufffd"));
  const native = createReference(json);
  const encodings = await native.encodeBatch(wellFormed);
  const all = encodings.map((encoding) => encoding.getIds());
  const decoded = await native.decodeBatch(all, false);
  return wellFormed.filter((text, i) => {
    const ids = Array.from(encode(text));
    const expected = ids.join();
    const isSame = expected === all[i]!.join() && expected === again.encode(text).ids.join();
    if (!isSame) return true;
    const spelled = tokenizer.decode(ids);
    return spelled !== decoded[i] || spelled !== again.decode(ids);
  });
}

const S = "\u2581";
const special = ["<s>", "</s>", "<unk>", "<|end|>"];
/** Without what spells a control token: looking for those is all that the format can. */
const texts = generateTexts(1500, [`${S}ab`, "ab", "aba", " the", "the ", "[mine]"]).filter(
  (text) => special.every((token) => !text.includes(token)),
);

describe("ranks", () => {
  const parse = (tokenizer: Tokenizer) => (text: string) =>
    tokenizer.encode(text, { special: "parse" }).ids;

  test("of r50k_base as npm carries them", { timeout: 60_000 }, async () => {
    const tokenizer = fromTiktoken(unpackRanks(r50k.bpe_ranks), tiktokenEncoding("r50k_base"));
    const more = [...texts, "a<|endoftext|>b", "x".repeat(300)];
    expect(await findChanged(tokenizer, more, parse(tokenizer))).toEqual([]);
    expect((tokenizer.toJson() as { model: { merges: unknown[] } }).model.merges).toHaveLength(
      50_000,
    );
  });

  // Ranks in any order, so that a token may come before what it is made of, or never be reached.
  test("of any tokens in any order", { timeout: 60_000 }, async () => {
    const token = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 2, maxLength: 6 });
    const vocabularies = fc.uniqueArray(
      token.map((letters) => letters.join("")),
      { minLength: 3, maxLength: 25 },
    );
    const strings = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c", " ") }), {
      minLength: 20,
      maxLength: 20,
    });
    const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
    await fc.assert(
      fc.asyncProperty(vocabularies, strings, async (tokens, sources) => {
        const ranks = [...bytes, ...tokens].map((each, rank) => `${btoa(each)} ${rank}`);
        const tokenizer = fromTiktoken(ranks.join("\n"), {
          pattern: String.raw`\p{L}+|\s`,
          specialTokens: { "<|end|>": 400 },
        });
        const longer = sources.map((source) => source.repeat(3));
        expect(await findChanged(tokenizer, longer, parse(tokenizer))).toEqual([]);
      }),
      { numRuns: 150, seed: 5 },
    );
  });

  test("with a pattern whose dialect is told apart", async () => {
    expect(writePattern(String.raw`[$^]a{2}\{3}+|(?:b|c){1,2}+$|^\p{N}{1,3}+x`, "pattern")).toBe(
      String.raw`[$^]a{2}\{3}+|(?>(?:b|c){1,2})\z|\A(?>\p{N}{1,3})x`,
    );
    const ranks = Array.from({ length: 256 }, (_, i) => `${btoa(String.fromCharCode(i))} ${i}`);
    const make = (pattern: string): Tokenizer => fromTiktoken(ranks.join("\n"), { pattern });
    const tokenizer = make(String.raw`\p{N}{1,3}+1|^a|b$|[^]`.replace("[^]", String.raw`[\s\S]`));
    expect(await findChanged(tokenizer, ["1111", "11111", "aab\nab", "a\nb"])).toEqual([]);
    for (const pattern of [String.raw`\w+`, String.raw`[a[^b]]$`]) {
      expect(() => make(pattern).toJson()).toThrow("in a tokenizer.json is not supported");
    }
  });
});

const UNIGRAM = 1;
const BPE = 2;
const CHAR = 4;
const base: ModelParts["pieces"] = [
  ["<unk>", 0, 2],
  ["<s>", 0, 3],
  ["</s>", 0, 3],
  ...Array.from(`${S}abcehtinors.,é`, (letter, i) => [letter, -7 - i / 8] as const),
  ...["ab", "th", "the", `${S}the`, `${S}a`, `${S}ab`, "aba", `${S}${S}`, "in"].map(
    (piece, i) => [piece, -3 - i / 4] as const,
  ),
];
const bytes = Array.from(
  { length: 256 },
  (_, byte) => [`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`, 0, 6] as const,
);
const mine = ["[mine]", -9, 4] as const;
const made = (algorithm: number, parts: Partial<ModelParts> = {}): Tokenizer =>
  fromSentencePiece(
    writeSentencePieceModel({
      pieces: base,
      ...parts,
      trainer: { ...parts.trainer, 3: algorithm },
    }),
    { addBos: true, addEos: true },
  );

describe("sentencepiece models", () => {
  const variants: Record<string, Partial<ModelParts>> = {
    "spaces squeezed": {},
    "spaces kept": { normalizer: { 4: 0 } },
    "no space in front": { normalizer: { 3: 0 } },
    "spaces not escaped": { normalizer: { 5: 0 }, pieces: [...base, [" ", -6], [" the", -4.1]] },
    bytes: { pieces: [...base, ...bytes], trainer: { 35: 1 }, normalizer: { 4: 0 } },
    // Rules for single characters that no mark follows are read alike.
    "a character map": { normalizer: { 2: writeCharsmap({ "\t": " ", "½": "1/2", Ａ: "A" }) } },
  };
  const isPlain = (text: string): boolean => !/[\t½Ａ][\p{M}\u200d]|<0x/u.test(text);

  test.each(
    Object.keys(variants).flatMap((name) =>
      [UNIGRAM, BPE, CHAR].map((algorithm) => [name, algorithm] as const),
    ),
  )("%s, model type %i", async (name, algorithm) => {
    const tokenizer = made(algorithm, variants[name]);
    const changed = await findChanged(tokenizer, texts.filter(isPlain));
    // Spaces in front of an unknown piece go, too.
    const spelled = (text: string): string => tokenizer.decode(tokenizer.encode(text).ids);
    expect(changed.filter((text) => !spelled(text).startsWith(" "))).toEqual([]);
    expect(changed.length).toBeLessThan(0.8 * texts.length);
  });

  test("symbols of the user's", async () => {
    const pieces = [...base, mine];
    expect(
      await findChanged(made(UNIGRAM, { pieces }), ["a [mine]b", "[mine][mine] the", "a [min"]),
    ).toEqual([]);
    const plain = made(BPE, { pieces, normalizer: { 3: 0, 4: 0 } });
    expect(await findChanged(plain, ["a [mine]b", "[mine] the", "[mine"])).toEqual([]);
  });

  test("control pieces are looked for", async () => {
    const { control } = divergences;
    const tokenizer = made(UNIGRAM);
    expect(tokenizer.encode(control.text).tokens).toEqual(control.ours);
    const encoding = await createReference(tokenizer.toJson()).encode(control.text);
    expect(encoding.getTokens()).toEqual(control.reference);
  });

  test("of equal scores, those of the list's order merge first", async () => {
    const { ties } = divergences;
    const tokenizer = made(BPE, { pieces: [...base, ["ba", -3]] });
    expect(tokenizer.encode(ties.text).tokens).toEqual(ties.ours);
    const encoding = await createReference(tokenizer.toJson()).encode(ties.text);
    expect(encoding.getTokens()).toEqual(ties.reference);
  });

  test("a character map is applied to clusters, the shortest rule first", async () => {
    const { clusters } = divergences;
    const charsmap = writeCharsmap({ ﬁ: "in", e: "a", "e\u0301": "é" });
    const tokenizer = made(UNIGRAM, { normalizer: { 2: charsmap } });
    expect(tokenizer.encode(clusters.text).tokens).toEqual(clusters.ours);
    const encoding = await createReference(tokenizer.toJson()).encode(clusters.text);
    expect(encoding.getTokens()).toEqual(clusters.reference);
  });

  test.each<[string, number, Partial<ModelParts>]>([
    ["a model of words", 3, {}],
    ["a model that puts spaces after words", UNIGRAM, { trainer: { 24: 1 } }],
    [
      "a model that changes what it decodes",
      UNIGRAM,
      { denormalizer: { 2: writeCharsmap({ x: "a" }), 3: 0, 4: 0, 5: 0 } },
    ],
    ['the unused piece "zz"', BPE, { pieces: [...base, ["zz", -9, 5]] }],
    ['the symbol "[mine]" of the user\'s', BPE, { pieces: [...base, mine] }],
    ['the symbol "a b", which is normalized,', UNIGRAM, { pieces: [...base, ["a b", 0, 4]] }],
    [
      'the symbol "[mine]", which is normalized,',
      UNIGRAM,
      { pieces: [...base, mine], normalizer: { 2: writeCharsmap({ m: "n" }) } },
    ],
    [
      "a model without scores to merge by",
      BPE,
      { pieces: base.map(([piece, , type]) => [piece, 0, type ?? 1] as const) },
    ],
    ['a piece with "z", which is none,', BPE, { pieces: [...base, ["az", -1]] }],
  ])("refuses %s, model type %i", (message, algorithm, parts) => {
    expect(() => made(algorithm, parts).toJson()).toThrow(`model: ${message}`);
  });

  test("in GGUF files too, with control tokens", async () => {
    const pieces = [...base, ...bytes];
    const tokenizer = fromGgufVocabulary({
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.tokens": pieces.map(([piece]) => piece),
      "tokenizer.ggml.scores": pieces.map(([, score]) => score),
      "tokenizer.ggml.token_type": pieces.map(([, , type = 1]) => type),
      "tokenizer.ggml.unknown_token_id": 0,
      "tokenizer.ggml.bos_token_id": 1,
    });
    const framed = ["<s>the</s> ab", "a<s>", "<s> <s>the", ...texts];
    expect(await findChanged(tokenizer, framed)).toEqual([]);
  });
});

describe("files that a tokenizer.json is made from when they are read", () => {
  const { vocab, merges } = (
    smallTokenizer([
      ["a", "b"],
      ["t", "h"],
      ["th", "e"],
      [" ", "the"],
    ]) as { model: { vocab: Record<string, number>; merges: string[][] } }
  ).model;
  const lines = merges.map((pair) => pair.join(" "));
  const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ...Array.from("abthe.,漢"), "the"];
  const pieces = Array.from("abthe", (letter) => `##${letter}`);
  const tokens = [...Object.keys(vocab), "<s>", "<mine>"];

  test.each<[string, Tokenizer]>([
    ["vocab.txt", fromWordPieceVocabulary([...words, ...pieces].join("\n"), { lowercase: true })],
    [
      "vocab.json and merges.txt",
      fromLegacyBpe(vocab, lines.join("\n"), { addPrefixSpace: true, specialTokens: ["<new>"] }),
    ],
    [
      "GGUF of bytes",
      fromGgufVocabulary({
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "llama3",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": tokens.map((t) => (t === "<s>" ? 3 : t === "<mine>" ? 4 : 1)),
        "tokenizer.ggml.merges": lines,
        "tokenizer.ggml.bos_token_id": tokens.indexOf("<s>"),
        "tokenizer.ggml.add_bos_token": true,
      }),
    ],
    [
      "GGUF of BERT",
      fromGgufVocabulary({
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": [
          ...words.map((word) => (word.startsWith("[") ? word : `${S}${word}`)),
          ...pieces.map((piece) => piece.slice(2)),
        ],
      }),
    ],
  ])("%s", async (_, tokenizer) => {
    const more = ["<s>the<mine>", "<new>ab", "[SEP]the", "the [CLS]x"];
    expect(await findChanged(tokenizer, [...texts, ...more])).toEqual([]);
  });
});

const data = new URL("../../../../shared/oracles/tokenizers/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/oracles/tokenizers here)";

describe.skipIf(reason !== "")(`published files${reason}`, () => {
  const read = (path: string): Buffer => {
    const file = readFileSync(new URL(path, data));
    return path.endsWith(".gz") ? gunzipSync(file) : file;
  };
  const corpus = (): string[] => {
    const all = JSON.parse(read("corpus/conformance.json").toString()) as { text: string }[];
    return all.map(({ text }) => text);
  };
  const fixtures = "transformers-fixtures/test_sentencepiece";

  // How many of 144 texts differ, all of them by marks that a character map takes along.
  test.each([
    ["llama-2.model", 0],
    ["sentencepiece-test-en.model", 0],
    ["sentencepiece-test-ja.model", 2],
    [`${fixtures}.model`, 0],
    [`${fixtures}_bpe.model`, 0],
    [`${fixtures}_bpe_char.model`, 0],
    [`${fixtures}_no_bos.model`, 0],
    [`${fixtures}_with_bytefallback.model`, 5],
  ])("%s", { timeout: 60_000 }, async (path, count) => {
    const tokenizer = fromSentencePiece(read(`spm/${path}`));
    const changed = await findChanged(tokenizer, corpus());
    const spelled = (text: string): string => tokenizer.decode(tokenizer.encode(text).ids);
    const isMeant = (text: string): boolean =>
      /<\/?s>|<unk>/u.test(text) || spelled(text)[0] === " ";
    expect(changed.filter((text) => !isMeant(text))).toHaveLength(count);
  });

  test("cl100k_base", { timeout: 120_000 }, async () => {
    const ranks = read("tiktoken/cl100k_base.tiktoken.gz");
    const tokenizer = fromTiktoken(ranks, tiktokenEncoding("cl100k_base"));
    const encode = (text: string) => tokenizer.encode(text, { special: "parse" }).ids;
    expect(await findChanged(tokenizer, corpus(), encode)).toEqual([]);
  });
});
