import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { Charsmap } from "../src/normalizers/charsmap.ts";
import { writeCharsmap } from "./charsmap-writer.ts";
import { hardTexts, mixedText } from "./hard-texts.ts";
import { createReference, expectSame, unitsByCodePoint } from "./reference.ts";

const data = new URL("../../../../shared/oracles/tokenizers/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/oracles/tokenizers here)";

type Piece = readonly [string, number];

const unigram = (
  vocab: readonly Piece[],
  model: Record<string, unknown> = {},
  parts: Record<string, unknown> = {},
): Record<string, unknown> => ({
  version: "1.0",
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: { type: "Fuse" },
  model: { type: "Unigram", unk_id: 0, byte_fallback: false, vocab, ...model },
  ...parts,
});
const bytes = Array.from({ length: 256 }, (_, byte): Piece => [
  `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  -9,
]);
const pieces: readonly Piece[] = [
  ["<unk>", 0],
  ["a", -2],
  ["b", -2.5],
  ["ab", -3],
  ["aba", -4.5],
  [" ", -1],
  ["the", -5],
  [" th", -4],
  ["é", -3],
  ["漢字", -6],
  ["😀", -3],
  ["<|", -4],
  ["e\u0301", -4],
  ["aa", -4],
  ["aaaa", -8],
];
const charsmap = Buffer.from(
  writeCharsmap({
    "\n": " ",
    "\r": " ",
    ﬁ: "fi",
    "\u212a": "K",
    "\u0915": "\u0916\u0917",
    "\u200b": "",
    "\x01": "",
    "e\u0301": "é",
    e: "e",
    "A\u030a": "Å",
    "\uff76\uff9e": "\u30ac",
    "😀": ":)",
  }),
).toString("base64");

test("cuts as in the reference's own example", () => {
  const vocab: Piece[] = ["<unk>", "a", "b", "c", "d", "cd", "ab", "abc", "abcd"].map(
    (piece, i): Piece => [piece, [0, 0, 0, 0, 0, 1, 2, 5, 10][i]!],
  );
  const { ids, offsets } = createTokenizer(unigram(vocab)).encode("abcdacdxx", { offsets: true });
  expect([...ids]).toEqual([8, 1, 5, 0]);
  expect([...offsets]).toEqual([0, 4, 4, 5, 5, 7, 7, 9]);
});

describe.each(
  Object.entries({
    "unknown characters": unigram(pieces),
    "an unknown piece in the middle": unigram([...pieces.slice(1), ["<unk>", -3]], { unk_id: 14 }),
    "byte fallback": unigram([...pieces, ...bytes], { byte_fallback: true }),
    "bytes that are not all there": unigram([...pieces, ...bytes.slice(0, 200)], {
      byte_fallback: true,
    }),
    "pieces that are there twice": unigram([...pieces, ["ab", -1], ["a", -7]]),
    "marks for spaces": unigram(
      [...pieces, ["\u2581", -2], ["\u2581the", -3]],
      {},
      {
        pre_tokenizer: {
          type: "Metaspace",
          replacement: "\u2581",
          prepend_scheme: "always",
          split: true,
        },
      },
    ),
    "a character map": unigram(
      pieces,
      {},
      {
        normalizer: { type: "Precompiled", precompiled_charsmap: charsmap },
      },
    ),
  }),
)("%s", (_, json) => {
  test("agrees with the reference", { timeout: 60_000 }, async () => {
    const tokenizer = createTokenizer(json);
    const reference = createReference(json);
    for (const text of hardTexts) await expectSame(tokenizer, reference, text);
    const extra = [
      "ab",
      "aba",
      "<unk>",
      "the ",
      "é",
      "e\u0301",
      "漢",
      "ﬁ\u0301",
      "\r\n",
      "A\u030a\u0301",
    ];
    await fc.assert(
      fc.asyncProperty(mixedText(extra), (text) => expectSame(tokenizer, reference, text)),
      { numRuns: 200, seed: 1 },
    );
  });
});

test("finds the best of all ways to cut", () => {
  const scored = new Map(pieces.slice(1));
  const best = (text: string): number => {
    if (text === "") return 0;
    let most = -Infinity;
    for (let end = 1; end <= text.length; end++) {
      const score = scored.get(text.slice(0, end));
      if (score !== undefined) most = Math.max(most, score + best(text.slice(end)));
    }
    return most;
  };
  const tokenizer = createTokenizer(unigram(pieces));
  const words = fc.array(fc.constantFrom("a", "b", " ", "the"), { maxLength: 9 });
  fc.assert(
    fc.property(words, (parts) => {
      // Only texts that pieces cover.
      const text = parts.join("").replaceAll("the", "a");
      const ids = [...tokenizer.encode(text).ids];
      const score = ids.reduce((sum, id) => sum + pieces[id]![1], 0);
      expect(score).toBeCloseTo(best(text), 9);
      expect(tokenizer.decode(ids)).toBe(text);
    }),
    { seed: 1 },
  );
});

test("names a character without a token", () => {
  const tokenizer = createTokenizer(unigram(pieces, { unk_id: null }));
  expect(() => tokenizer.encode("ab漢")).toThrow('got "漢", and the model has no unknown token');
});

test.each([
  ["model.vocab: expected at least one piece", unigram([])],
  ["model.vocab[0]: expected a piece and its score", unigram([["a"] as unknown as Piece])],
  ["model.unk_id: expected the index of a piece, got 15", unigram(pieces, { unk_id: 15 })],
  [
    "precompiled_charsmap: expected base64",
    unigram(pieces, {}, { normalizer: { type: "Precompiled", precompiled_charsmap: "a!" } }),
  ],
  [
    "precompiled_charsmap: expected a character map",
    unigram(pieces, {}, { normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" } }),
  ],
])("refuses: %s", (message, json) => {
  expect(() => createTokenizer(json)).toThrow(message);
});

test("takes the longest key or the shortest", () => {
  const map = new Charsmap(writeCharsmap({ a: "1", ab: "2", abcd: "3", 漢: "kan" }), "map");
  expect(map.longest("abcx", 0)).toEqual({ length: 2, replacement: "2" });
  expect(map.longest("abcd", 0)).toEqual({ length: 4, replacement: "3" });
  expect(map.shortest("abcd", 0, 4)).toEqual({ length: 1, replacement: "1" });
  expect(map.longest("x漢", 1)).toEqual({ length: 1, replacement: "kan" });
  expect(map.longest("x漢", 0)).toBeNull();
  expect([map.mayGoOn("xab", 1), map.mayGoOn("xabx", 1)]).toEqual([true, false]);
});

test("takes linear time", { timeout: 30_000 }, () => {
  const tokenizer = createTokenizer(
    unigram(pieces, {}, { normalizer: { type: "Precompiled", precompiled_charsmap: charsmap } }),
  );
  const { ids } = tokenizer.encode(`${"aab".repeat(100_000)}${"e\u0301漢".repeat(50_000)}`);
  expect(ids.length).toBeGreaterThan(100_000);
});

describe.skipIf(reason !== "")(`published unigram tokenizers${reason}`, () => {
  const readJson = (path: string): unknown =>
    JSON.parse(
      path.endsWith(".gz")
        ? gunzipSync(readFileSync(new URL(path, data))).toString()
        : readFileSync(new URL(path, data), "utf8"),
    );

  test.each(["t5-small", "marian-nmt-unigram"])("%s", { timeout: 60_000 }, (name) => {
    const tokenizer = createTokenizer(readJson(`hf/${name}/tokenizer.json.gz`) as object);
    const texts = readJson("corpus/conformance.json") as readonly { id: string; text: string }[];
    const { items } = readJson(`oracle/hf.${name}.json.gz`) as {
      readonly items: readonly {
        readonly id: string;
        readonly ids: readonly number[];
        readonly special?: readonly number[];
        readonly offsets?: readonly (readonly [number, number])[];
        readonly decoded?: string;
      }[];
    };
    expect(items).toHaveLength(144);
    for (const item of items) {
      const raw = texts.find(({ id }) => id === item.id)!.text;
      const text = raw.replace(/\p{Surrogate}/gu, "\ufffd");
      const actual = tokenizer.encode(text, { addSpecialTokens: false, offsets: true });
      expect([item.id, ...actual.ids]).toEqual([item.id, ...item.ids]);
      // Long texts come with ids only.
      const units = unitsByCodePoint(text);
      const offsets = item.offsets?.flatMap((range) => range.map((at) => units[at]));
      const decoded = tokenizer.decode(item.ids);
      const special = [...tokenizer.encode(text).ids];
      expect([item.id, ...actual.offsets]).toEqual([item.id, ...(offsets ?? actual.offsets)]);
      expect(special).toEqual(item.special ?? special);
      expect(decoded).toBe(item.decoded ?? decoded);
    }
  });
});
