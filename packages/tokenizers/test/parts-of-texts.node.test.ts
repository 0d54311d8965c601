import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  chunkByTokens,
  countTokens,
  createTokenizer,
  encodeBatch,
  sliceByTokens,
  type Tokenizer,
} from "../src/index.ts";
import { smallTokenizer } from "./byte-vocabulary.ts";
import { hardTexts, mixedText } from "./hard-texts.ts";

const fixture = (name: string): string =>
  readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), "utf8");
const texts = (JSON.parse(fixture("texts")) as { training: string[] }).training;
const whole = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };

const tokenizers: Readonly<Record<string, Tokenizer>> = {
  "byte-level-bpe": createTokenizer(fixture("byte-level-bpe")),
  "byte-level-split": createTokenizer(fixture("byte-level-split")),
  "bpe-byte-fallback": createTokenizer(fixture("bpe-byte-fallback")),
  wordpiece: createTokenizer(fixture("wordpiece")),
  characters: createTokenizer(fixture("characters")),
  "no cuts known": createTokenizer(
    smallTokenizer(
      [
        ["a", "a"],
        ["t", "h"],
        [" ", "t"],
        ["e", " t"],
      ],
      { pre_tokenizer: whole },
    ),
  ),
};
const names = Object.keys(tokenizers);
const special = ["<|end|>", "boat", " [MASK] ", "<|start|>"];
const line = fc.oneof(mixedText(special), fc.constantFrom(...texts, ...hardTexts));
const document = fc.array(line, { maxLength: 4 }).map((lines) => lines.join(" "));
const bare = { addSpecialTokens: false } as const;
const count = (tokenizer: Tokenizer, text: string): number =>
  tokenizer.encode(text, bare).ids.length;
const isCharacterBoundary = (text: string, at: number): boolean =>
  !(/[\ud800-\udbff]/.test(text[at - 1] ?? "") && /[\udc00-\udfff]/.test(text[at] ?? ""));

describe("countTokens", () => {
  test.each(names)("%s: what encode makes, or more than the limit", (name) => {
    const tokenizer = tokenizers[name]!;
    const limit = fc.integer({ min: 0, max: 60 });
    fc.assert(
      fc.property(document, limit, fc.boolean(), (text, most, addSpecialTokens) => {
        const all = tokenizer.encode(text, { addSpecialTokens }).ids.length;
        expect(countTokens(tokenizer, text, { addSpecialTokens })).toBe(all);
        const counted = countTokens(tokenizer, text, { addSpecialTokens, limit: most });
        expect(counted <= most).toBe(all <= most);
        expect(counted).toBeLessThanOrEqual(all);
        expect(counted).toBeGreaterThanOrEqual(Math.min(all, most + 1));
      }),
      { numRuns: 600 },
    );
  });

  test("reads as much of a text as the limit needs", () => {
    const text = texts.join(" ").repeat(500);
    let read = 0;
    const { cuts, ...rest } = tokenizers["byte-level-split"]!;
    const inner = tokenizers["byte-level-split"]!;
    const spy = {
      ...rest,
      encode: (part: string, options?: object) => {
        read += part.length;
        return inner.encode(part, options);
      },
      cuts: { lastCut: (part: string) => cuts!.lastCut(part) },
    } as Tokenizer;
    for (const limit of [10, 100, 1000]) {
      read = 0;
      expect(countTokens(spy, text, { limit })).toBeGreaterThan(limit);
      expect(read).toBeLessThan(64 + 12 * limit);
    }
    expect(() => countTokens(spy, text, { limit: Number.NaN })).toThrow("limit: expected");
  });
});

describe("sliceByTokens", () => {
  test.each(names)("%s: within the budget, at characters", (name) => {
    const tokenizer = tokenizers[name]!;
    const place = fc.nat({ max: 40 });
    fc.assert(
      fc.property(document, place, place, (text, start, size) => {
        const slice = sliceByTokens(tokenizer, text, start, start + size);
        expect(count(tokenizer, slice)).toBeLessThanOrEqual(size);
        expect(text).toContain(slice);
        const head = sliceByTokens(tokenizer, text, 0, size);
        expect(text.startsWith(head) && isCharacterBoundary(text, head.length)).toBe(true);
        expect(sliceByTokens(tokenizer, text, 0, Infinity)).toBe(text);
      }),
      { numRuns: 600 },
    );
  });

  test("is what the tokens decode to where they are whole words", () => {
    const tokenizer = tokenizers["byte-level-split"]!;
    const text = texts.slice(0, 3).join(" ");
    const { ids } = tokenizer.encode(text, bare);
    for (let end = 1; end < ids.length; end += 7) {
      const slice = sliceByTokens(tokenizer, text, 0, end);
      expect(tokenizer.decode(ids.slice(0, end)).startsWith(slice)).toBe(true);
      expect(count(tokenizer, slice)).toBeGreaterThanOrEqual(end - 3);
    }
    expect(() => sliceByTokens(tokenizer, text, -1, 2)).toThrow("start: expected");
    expect(() => sliceByTokens(tokenizer, text, 3, 2)).toThrow("end: expected");
  });
});

describe("chunkByTokens", () => {
  test.each(names)("%s: covers the text, keeps the size, repeats the overlap", (name) => {
    const tokenizer = tokenizers[name]!;
    const size = fc.integer({ min: 12, max: 60 });
    fc.assert(
      fc.property(document, size, fc.nat({ max: 11 }), (text, most, overlap) => {
        const chunks = chunkByTokens(tokenizer, text, { size: most, overlap });
        let covered = 0;
        let lastStart = -1;
        for (const { start, end, count: tokens } of chunks) {
          expect(tokens).toBe(count(tokenizer, text.slice(start, end)));
          expect(tokens).toBeLessThanOrEqual(most);
          expect(start).toBeLessThanOrEqual(covered);
          expect(start).toBeGreaterThan(lastStart);
          expect(end).toBeGreaterThan(covered);
          expect(isCharacterBoundary(text, start) && isCharacterBoundary(text, end)).toBe(true);
          expect(start === covered || overlap > 0).toBe(true);
          covered = end;
          lastStart = start;
        }
        expect(covered).toBe(text.length);
      }),
      { numRuns: 600 },
    );
  });

  test("of ordinary text are full and overlap as asked", () => {
    const tokenizer = tokenizers["byte-level-split"]!;
    const text = texts.slice(0, 12).join(" ");
    const chunks = chunkByTokens(tokenizer, text, { size: 40, overlap: 8 });
    expect(chunks.length).toBeGreaterThan(8);
    for (const { count: tokens } of chunks.slice(0, -1)) expect(tokens).toBeGreaterThanOrEqual(36);
    chunks.slice(1).forEach(({ start }, i) => {
      const shared = count(tokenizer, text.slice(start, chunks[i]!.end));
      expect(shared).toBeGreaterThanOrEqual(5);
      expect(shared).toBeLessThanOrEqual(11);
    });
  });

  test("refuses what cannot be", () => {
    const tokenizer = tokenizers["no cuts known"]!;
    expect(chunkByTokens(tokenizer, "", { size: 1 })).toEqual([]);
    expect(() => chunkByTokens(tokenizer, "a 😀", { size: 3 })).toThrow("size: expected room");
    expect(() => chunkByTokens(tokenizer, "a", { size: 0 })).toThrow("size: expected");
    expect(() => chunkByTokens(tokenizer, "a", { size: 3, overlap: 3 })).toThrow("overlap: expect");
  });
});

test("encodeBatch is encode for each", () => {
  const tokenizer = tokenizers["byte-level-split"]!;
  const options = { offsets: true, addSpecialTokens: false } as const;
  const batch = encodeBatch(tokenizer, hardTexts, options);
  expect(batch).toEqual(hardTexts.map((text) => tokenizer.encode(text, options)));
  expect(encodeBatch(tokenizer, [])).toEqual([]);
});
