import { philox } from "@frugal/core";
import { describe, expect, test } from "vitest";
import { fromSentencePiece, type SentencePieceTokenizer } from "../src/index.ts";
import { decodeBase64 } from "../src/formats/base64.ts";
import oracle from "./oracles/sentencepiece-nbest.json" with { type: "json" };
import { writeSentencePieceModel, type ModelParts } from "./sentencepiece-writer.ts";

const pieces: ModelParts["pieces"] = [
  ["<unk>", 0, 2],
  ["a", -1.2],
  ["b", -1.7],
  ["ab", -2.1],
  ["ba", -2.4],
  ["aba", -3.3],
  ["😀", -2],
  ["a😀", -2.5],
  ["!b", -2.6],
  ["[a]", -9, 4],
];
const tokenizer = fromSentencePiece(
  writeSentencePieceModel({ pieces, normalizer: { 3: 0, 4: 0, 5: 0 } }),
);
const scores = new Map(pieces.slice(1).map(([piece, score]) => [piece, Math.fround(score)]));
scores.set("[a]", Math.fround(3 * Math.fround(-1.2)) - 0.1);
const unknown = Math.fround(Math.fround(-3.3) - 10);

/** All ways to cut a text into pieces, single characters that are none included. */
function enumerate(text: string): { parts: string[]; score: number }[] {
  if (text === "") return [{ parts: [], score: 0 }];
  const first = String.fromCodePoint(text.codePointAt(0)!);
  const starts = [...scores].filter(([piece]) => text.startsWith(piece));
  if (!scores.has(first)) starts.push([first, unknown]);
  return starts.flatMap(([piece, score]) =>
    enumerate(text.slice(piece.length)).map((rest) => ({
      parts: [piece, ...rest.parts],
      score: score + rest.score,
    })),
  );
}

const texts = ["", "a", "abab", "babaab", "a😀ba", "aba!b", "漢ab", "aba?!ba", "b[a]b", "abaabab"];
const spelled = (ids: ArrayLike<number>): string =>
  Array.from(ids, (id) => tokenizer.idToToken(id)).join(" ");
/** Unknown characters that are neighbours become one. */
const spell = (parts: readonly string[]): string =>
  parts
    .map((part) => (scores.has(part) ? part : "<unk>"))
    .join(" ")
    .replace(/<unk>(?: <unk>)+/gu, "<unk>");

describe("n best", () => {
  test.each(texts)("of all ways to cut %j", (text) => {
    const all = enumerate(text).sort((a, b) => b.score - a.score);
    for (const count of [1, 2, 5, 1000]) {
      const found = tokenizer.nbestEncode(text, count);
      expect(found).toHaveLength(Math.min(count, all.length));
      found.forEach(({ score }, i) => expect(score).toBeCloseTo(all[i]!.score, 9));
    }
    const ways = tokenizer.nbestEncode(text, 1000).map(({ ids }) => spelled(ids));
    expect(ways.sort()).toEqual(all.map(({ parts }) => spell(parts)).sort());
    expect(spelled(tokenizer.nbestEncode(text, 1)[0]!.ids)).toBe(
      spelled(tokenizer.encode(text).ids),
    );
  });

  test("are those of sentencepiece, in its order", () => {
    const trained = fromSentencePiece(decodeBase64(oracle.model)!);
    expect(oracle.items.length).toBeGreaterThan(20);
    let exactly = 0;
    for (const { text, best, nbests } of oracle.items) {
      expect([text, ...trained.encode(text).ids]).toEqual([text, ...best]);
      const found = trained.nbestEncode(text, oracle.count);
      const ways = found.map(({ ids }) => ids.join());
      const expected = nbests.map((ids) => ids.join());
      if (ways.join(" ") === expected.join(" ")) exactly++;
      // Equal scores, as of "the the", come in no order there.
      const worth = new Map(
        trained.nbestEncode(text, 100).map(({ ids, score }) => [ids.join(), score]),
      );
      expect(new Set(expected).size).toBe(found.length);
      expected.forEach((way, i) => expect(worth.get(way)).toBeCloseTo(found[i]!.score, 5));
    }
    expect(exactly).toBeGreaterThanOrEqual(oracle.items.length - 2);
  });
});

describe("samples", () => {
  const draws = 8000;
  const count = (text: string, alpha: number, nbestSize: number): Map<string, number> => {
    const rng = philox(3);
    const counts = new Map<string, number>();
    for (let position = 0; position < draws; position++) {
      const way = spelled(tokenizer.sampleEncode(text, { alpha, nbestSize, rng, position }));
      counts.set(way, (counts.get(way) ?? 0) + 1);
    }
    return counts;
  };

  test.each([
    ["babaab", 1, -1],
    ["babaab", 0.3, -1],
    ["aba?!ba", 0, -1],
    ["b[a]b", 0.5, -1],
    ["babaab", 0.7, 4],
    ["abaabab", 0.2, 1000],
  ])("of %j come as often as they should: alpha %d, n best %i", (text, alpha, nbestSize) => {
    const all = enumerate(text).sort((a, b) => b.score - a.score);
    const among = all.slice(0, nbestSize < 0 ? all.length : nbestSize);
    const sum = among.reduce((total, { score }) => total + Math.exp(alpha * score), 0);
    const counts = count(text, alpha, nbestSize);
    expect([...counts.values()].reduce((a, b) => a + b)).toBe(draws);
    for (const { parts, score } of among) {
      const p = Math.exp(alpha * score) / sum;
      const off = Math.abs((counts.get(spell(parts)) ?? 0) - draws * p);
      expect(off).toBeLessThan(4.5 * Math.sqrt(draws * p * (1 - p)) + 1);
    }
  });

  test("are a function of seed and position, and the best where that is asked for", () => {
    const sample = (model: SentencePieceTokenizer, seed: number, parts: object = {}): string =>
      spelled(model.sampleEncode("babaab", { alpha: 0.1, rng: philox(seed), ...parts }));
    expect(sample(tokenizer, 1)).toBe(sample(tokenizer, 1));
    const other = Array.from({ length: 20 }, (_, position) => sample(tokenizer, 1, { position }));
    expect(new Set(other).size).toBeGreaterThan(3);
    const best = spelled(tokenizer.encode("babaab").ids);
    for (const parts of [{ nbestSize: 0 }, { nbestSize: 1 }, { alpha: 100 }]) {
      expect(sample(tokenizer, 1, parts)).toBe(best);
    }
  });
});

test.each<[string, () => unknown]>([
  ["count: expected a whole number from 1 to 1024, got 0", () => tokenizer.nbestEncode("a", 0)],
  [
    "count: expected a whole number from 1 to 1024, got 2000",
    () => tokenizer.nbestEncode("a", 2000),
  ],
  [
    "alpha: expected a number from 0 up, got -1",
    () => tokenizer.sampleEncode("a", { alpha: -1, rng: philox(0) }),
  ],
  [
    "nbestSize: expected a whole number from 0 to 1024, got 1.5",
    () => tokenizer.sampleEncode("a", { alpha: 1, nbestSize: 1.5, rng: philox(0) }),
  ],
  [
    "model: several segmentations of a bpe model are not supported",
    () =>
      fromSentencePiece(writeSentencePieceModel({ pieces, trainer: { 3: 2 } })).nbestEncode("a", 2),
  ],
])("refuses: %s", (message, work) => {
  expect(work).toThrow(message);
});

test("takes linear time in the text", () => {
  const long = "abaab".repeat(4000);
  const [best] = tokenizer.nbestEncode(long, 4);
  expect(tokenizer.decode(best!.ids)).toBe(long);
  const drawn = tokenizer.sampleEncode(long, { alpha: 0.5, rng: philox(5) });
  expect(tokenizer.decode(drawn)).toBe(long);
});
