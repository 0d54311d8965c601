import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  countTokens,
  createTokenizer,
  fromTiktoken,
  StreamEncoder,
  tiktokenEncoding,
  type Tokenizer,
  type TiktokenEncodingName,
} from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";
import { hardTexts, mixedText } from "./hard-texts.ts";
import { pushAll } from "./push-all.ts";

const fixture = (name: string): string =>
  readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), "utf8");
const texts = (JSON.parse(fixture("texts")) as { training: string[]; test: string[] }).training;

/** Tokens of every flag, some of them nothing but spaces. */
const added = [
  addedToken("<|end|>"),
  addedToken("<|end|>x", { normalized: true, special: false }),
  addedToken("boat", { single_word: true, normalized: true, special: false }),
  addedToken("[MASK]", { lstrip: true, rstrip: true }),
  addedToken("   ", { special: false }),
  addedToken("é", { special: false, normalized: true }),
];
const parts = ["<|end|>", "<|end|>x", "boat", "[MASK]", "   ", "é", "<|", "|>", "[MASK", " boat "];
const cl100k =
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|` +
  String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const split = (pattern: string, behavior = "Isolated"): object => ({
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: pattern }, behavior, invert: false },
    { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
});
const byteLevel = (prefix: boolean): object => ({
  type: "ByteLevel",
  add_prefix_space: prefix,
  trim_offsets: true,
  use_regex: true,
});
const small = (tokenizerParts: Record<string, unknown>): Tokenizer =>
  createTokenizer(
    smallTokenizer(
      [
        ["t", "h"],
        ["th", "e"],
        [" ", "a"],
        ["a", "a"],
      ],
      {
        added_tokens: added,
        ...tokenizerParts,
      },
    ),
  );

const tokenizers: Record<string, Tokenizer> = {
  "GPT-2's pattern, a space in front": small({ pre_tokenizer: byteLevel(true) }),
  "NFC and the pattern of cl100k": small({
    normalizer: { type: "NFC" },
    pre_tokenizer: split(cl100k),
  }),
  "possessive repetition": small({
    pre_tokenizer: split(String.raw`[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}++| ?[^\s\p{L}\p{N}]++|\s++`),
  }),
  "digits apart, then GPT-2's pattern": small({
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel(false)],
    },
  }),
  "gaps between the matches": small({ pre_tokenizer: split(String.raw`\p{L}\p{M}*x?`) }),
  "byte-level-bpe": createTokenizer(fixture("byte-level-bpe")),
  "byte-level-split": createTokenizer(fixture("byte-level-split")),
  "bpe-suffix": createTokenizer(fixture("bpe-suffix")),
  wordpiece: createTokenizer(fixture("wordpiece")),
  characters: createTokenizer(fixture("characters")),
  "word-level": createTokenizer(fixture("word-level")),
};

/** Ranks of the bytes and a few words, with the pattern of a published encoding. */
const ranked = (name: TiktokenEncodingName): Tokenizer => {
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  const tokens = [...bytes, "th", "the", " a", "aa", "  ", "\n\n", "'s", " \n", "12"];
  return fromTiktoken(tokens.map((token, rank) => `${btoa(token)} ${rank}`).join("\n"), {
    pattern: tiktokenEncoding(name).pattern,
    specialTokens: { "<|end|>": 300, "<|end|>x": 301, boat: 302, "[MASK]": 303, "   ": 304 },
  });
};
for (const name of ["r50k_base", "cl100k_base", "o200k_base"] as const) {
  tokenizers[`ranks and the pattern of ${name}`] = ranked(name);
}

const typed = (type: string): object => ({ type });

const line = fc.oneof(mixedText(parts), fc.constantFrom(...texts, ...hardTexts));
const document = fc.array(line, { maxLength: 4 }).map((lines) => lines.join(" "));
const cuts = fc.array(fc.nat({ max: 100_000 }), { maxLength: 20 });
const special = fc.constantFrom("parse" as const, "text" as const);

describe("ids of a text in pieces are those of the whole", () => {
  test.each(Object.keys(tokenizers))("%s: 1,500 splits", { timeout: 60_000 }, (name) => {
    const tokenizer = tokenizers[name]!;
    fc.assert(
      fc.property(document, cuts, special, fc.boolean(), (text, at, how, addSpecialTokens) => {
        const options = { special: how, addSpecialTokens };
        const encoder = new StreamEncoder(tokenizer, options);
        const ids = [...tokenizer.encode(text, options).ids];
        expect(pushAll(encoder, text, at)).toEqual(ids);
        // A flushed stream is as new.
        expect(pushAll(encoder, text, [])).toEqual(ids);
      }),
      { numRuns: 1500 },
    );
  });

  test("2,000 splits by pipelines of any parts", { timeout: 60_000 }, () => {
    const base = JSON.parse(fixture("bpe-byte-fallback")) as Record<string, unknown>;
    const normalizer = fc.oneof(
      fc.constantFrom("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents").map(typed),
      fc.record({
        type: fc.constant("BertNormalizer"),
        clean_text: fc.boolean(),
        handle_chinese_chars: fc.boolean(),
        strip_accents: fc.constantFrom(null, true, false),
        lowercase: fc.boolean(),
      }),
    );
    const behavior = fc.constantFrom("Isolated", "Removed", "MergedWithPrevious", "Contiguous");
    const step = fc.oneof(
      fc.constantFrom("WhitespaceSplit", "Whitespace", "BertPreTokenizer").map(typed),
      fc.constantFrom(byteLevel(true), byteLevel(false), { ...byteLevel(false), use_regex: false }),
      fc.record({ type: fc.constant("Digits"), individual_digits: fc.boolean() }),
      fc.record({ type: fc.constant("Punctuation"), behavior }),
      fc.record({ type: fc.constant("CharDelimiterSplit"), delimiter: fc.constantFrom(" ", "e") }),
      fc.record({
        type: fc.constant("Metaspace"),
        replacement: fc.constant("\u2581"),
        prepend_scheme: fc.constantFrom("always", "never", "first"),
        split: fc.boolean(),
      }),
      fc.record({
        type: fc.constant("Split"),
        pattern: fc.constantFrom(
          { Regex: cl100k },
          { Regex: "\\s+" },
          { Regex: "[aeiou]\\p{M}*(?=n)|n" },
          { String: " " },
          { String: "th" },
        ),
        behavior,
        invert: fc.boolean(),
      }),
    );
    const some = <T>(part: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
      fc.array(part, { minLength: 1, maxLength: 2 });
    let known = 0;
    fc.assert(
      fc.property(some(normalizer), some(step), document, cuts, (normalizers, steps, text, at) => {
        const tokenizer = createTokenizer({
          ...base,
          added_tokens: added.slice(0, 4).map((token, i) => ({ ...token, id: 900 + i })),
          post_processor: null,
          normalizer: normalizers.length > 1 ? { type: "Sequence", normalizers } : null,
          pre_tokenizer: { type: "Sequence", pretokenizers: steps },
        });
        if (tokenizer.cuts !== null) known++;
        const ids = [...tokenizer.encode(text).ids];
        expect(pushAll(new StreamEncoder(tokenizer), text, at)).toEqual(ids);
      }),
      { numRuns: 2000 },
    );
    expect(known).toBeGreaterThan(700);
  });

  test("one unit at a time, and at every place", { timeout: 60_000 }, () => {
    const options = { special: "parse" } as const;
    for (const tokenizer of Object.values(tokenizers)) {
      for (const text of [...texts, ...hardTexts]) {
        const ids = [...tokenizer.encode(text, options).ids];
        const every = Array.from({ length: text.length }, (_, i) => i);
        expect(pushAll(new StreamEncoder(tokenizer, options), text, every)).toEqual(ids);
      }
      const all = texts.join("\n");
      const ids = [...tokenizer.encode(all, options).ids];
      for (let at = 0; at < all.length; at += 61) {
        expect(pushAll(new StreamEncoder(tokenizer, options), all, [at])).toEqual(ids);
      }
    }
  });
});

describe("what is held back", () => {
  test.each(Object.keys(tokenizers))("%s: a few words of ordinary text", (name) => {
    const tokenizer = tokenizers[name]!;
    expect(tokenizer.cuts).not.toBeNull();
    const text = texts.slice(0, 8).join(" ").repeat(5);
    const options = { addSpecialTokens: false, special: "parse" } as const;
    const encoder = new StreamEncoder(tokenizer, options);
    let settled = 0;
    for (let i = 0; i < text.length; i++) {
      settled += encoder.push(text[i]!).length;
      if (i % 97 > 0) continue;
      const all = tokenizer.encode(text.slice(0, i + 1), options).ids.length;
      expect(all - settled).toBeLessThan(60);
    }
  });

  test("no more than needed to count up to a limit, in ranks too", () => {
    const tokenizer = ranked("cl100k_base");
    const text = texts.join(" ").replace(/boat| {3}/gu, "ship");
    const all = tokenizer.encode(text).ids.length;
    expect(countTokens(tokenizer, text, { limit: all })).toBe(all);
    const start = `${text} `.repeat(20);
    // What is disallowed stands behind what is read.
    const some = countTokens(tokenizer, `${start}<|end|>`, { limit: 100 });
    expect(some).toBeGreaterThan(100);
    expect(some).toBeLessThan(all);
    expect(() => countTokens(tokenizer, `${start}<|end|>`)).toThrow('got "<|end|>"');
    const stream = new StreamEncoder(tokenizer);
    stream.push("a word <|en");
    expect(() => [stream.push("d|> more words"), stream.flush()]).toThrow('got "<|end|>"');
  });

  test("everything, where texts are merged as a whole", () => {
    const anchored = small({ pre_tokenizer: split(String.raw`^a|(?<=x)y|\s`) });
    const joined = small({ pre_tokenizer: split(String.raw`\s`, "MergedWithNext") });
    for (const tokenizer of [anchored, joined]) {
      expect(tokenizer.cuts).toBeNull();
      const encoder = new StreamEncoder(tokenizer);
      expect(encoder.push("a text of several words")).toHaveLength(0);
      expect([...encoder.flush()]).toEqual([...tokenizer.encode("a text of several words").ids]);
    }
  });
});

test("costs the same per character however long the text is", { timeout: 60_000 }, () => {
  const tokenizer = tokenizers["NFC and the pattern of cl100k"]!;
  const time = (text: string): number => {
    const encoder = new StreamEncoder(tokenizer);
    const start = performance.now();
    for (let i = 0; i < text.length; i += 7) encoder.push(text.slice(i, i + 7));
    encoder.flush();
    return performance.now() - start;
  };
  for (const unit of ["A few plain words, ", "\u0915\u093e", "a", " "]) {
    const text = unit.repeat(40_000 / unit.length);
    let best = Infinity;
    for (let round = 0; round < 30 && best > 2.5; round++) {
      const once = Math.min(...[0, 1, 2].map(() => time(text)));
      best = Math.min(best, time(text + text) / once);
    }
    expect(best).toBeLessThan(3.3);
  }
});

const data = new URL("../../../../shared/oracles/tokenizers/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/oracles/tokenizers here)";

describe.skipIf(reason !== "")(`published tokenizers${reason}`, () => {
  const readText = (path: string): string => {
    const bytes = readFileSync(new URL(path, data));
    return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
  };
  test.each([
    "hf/gpt2/tokenizer.json.gz",
    "derived/o200k_base.tokenizer.json.gz",
    "derived/qwen2.tokenizer.json.gz",
    "derived/starcoder.tokenizer.json.gz",
    "derived/deepseek-coder.tokenizer.json.gz",
    "hf/phi-3-mini/tokenizer.json.gz",
  ])("%s: every oracle text, cut at random", { timeout: 60_000 }, (path) => {
    const tokenizer = createTokenizer(readText(path));
    expect(tokenizer.cuts).not.toBeNull();
    const corpus = JSON.parse(readText("corpus/conformance.json")) as { text: string }[];
    for (const { text } of corpus) {
      const ids = [...tokenizer.encode(text).ids];
      for (const at of fc.sample(cuts, { numRuns: 4, seed: 7 })) {
        expect(pushAll(new StreamEncoder(tokenizer), text, at)).toEqual(ids);
      }
    }
  });
});
