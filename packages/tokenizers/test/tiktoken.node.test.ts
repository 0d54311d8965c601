import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { Tiktoken } from "js-tiktoken/lite";
import cl100k from "js-tiktoken/ranks/cl100k_base";
import o200k from "js-tiktoken/ranks/o200k_base";
import { describe, expect, test } from "vitest";
import {
  fromTiktoken,
  StreamEncoder,
  tiktokenEncoding,
  type TiktokenEncodingName,
} from "../src/index.ts";
import { hardTexts, mixedText } from "./hard-texts.ts";
import { unitsByCodePoint } from "./reference.ts";
import { unpackRanks } from "./unpack-ranks.ts";

const data = new URL("../../../../shared/oracles/tokenizers/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/oracles/tokenizers here)";

const readText = (path: string): string => {
  const bytes = readFileSync(new URL(path, data));
  return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
};
const readJson = (path: string): unknown => JSON.parse(readText(path));

describe.each([
  ["cl100k_base", cl100k],
  ["o200k_base", o200k],
] as const)("%s as npm carries it", (name, packed) => {
  test("agrees with js-tiktoken", { timeout: 60_000 }, () => {
    const encoding = tiktokenEncoding(name);
    expect(encoding.specialTokens).toEqual(packed.special_tokens);
    const ours = fromTiktoken(unpackRanks(packed.bpe_ranks), encoding);
    const theirs = new Tiktoken(packed);
    // The port leaves out what happens to lone surrogates, and its `\s` is JavaScript's.
    const check = (raw: string): void => {
      const text = raw.replace(/\p{Surrogate}/gu, "\ufffd").replace(/[\u0085\ufeff]/gu, "");
      const ids = theirs.encode(text, "all");
      expect([text, ...ours.encode(text, { special: "parse" }).ids]).toEqual([text, ...ids]);
      const plain = theirs.encode(text, [], []);
      expect([text, ...ours.encode(text, { disallowedSpecial: [] }).ids]).toEqual([text, ...plain]);
      expect(ours.decode(plain)).toBe(text);
    };
    for (const text of hardTexts) if (text.length < 2000) check(text);
    fc.assert(fc.property(mixedText(["<|endoftext|>", "<|", "'s", "  \n "]), check), {
      numRuns: 500,
      seed: 1,
    });
  });
});

interface Oracle {
  readonly pat_str: string;
  readonly special_tokens: Record<string, number>;
  readonly items: readonly {
    readonly id: string;
    readonly ids: readonly number[];
    readonly allSpecial?: readonly number[];
    readonly offsets?: readonly number[];
  }[];
}

describe.skipIf(reason !== "")(`published ranks${reason}`, () => {
  const texts = (): Map<string, string> => {
    const all = readJson("corpus/conformance.json") as readonly { id: string; text: string }[];
    return new Map(all.map(({ id, text }) => [id, text]));
  };

  test.each([
    ["r50k_base", "r50k_base.tiktoken"],
    ["p50k_base", "p50k_base.tiktoken"],
    ["cl100k_base", "cl100k_base.tiktoken.gz"],
    ["o200k_base", "o200k_base.tiktoken.gz"],
    ["llama3", "llama3.tiktoken.gz"],
    ["qwen", "qwen.tiktoken.gz"],
  ])("%s", { timeout: 60_000 }, (name, path) => {
    const oracle = readJson(`oracle/tiktoken.${name}.json.gz`) as Oracle;
    const tokenizer = fromTiktoken(readText(`tiktoken/${path}`), {
      pattern: oracle.pat_str,
      specialTokens: oracle.special_tokens,
    });
    expect(oracle.items.length).toBe(144);
    const corpus = texts();
    for (const item of oracle.items) {
      const text = corpus.get(item.id)!.replace(/\p{Surrogate}/gu, "\ufffd");
      const { ids, offsets } = tokenizer.encode(text, { special: "text", offsets: true });
      expect([item.id, ...ids]).toEqual([item.id, ...item.ids]);
      // Long texts come without offsets.
      const units = unitsByCodePoint(text);
      const starts = Array.from(ids, (_, i) => offsets[2 * i]);
      expect(item.offsets?.map((at) => units[at]) ?? starts).toEqual(starts);
      expect(tokenizer.decode(ids)).toBe(text);
      const decoder = tokenizer.createStream();
      const shown = Array.from(ids, (id) => decoder.push(id));
      expect(shown.join("") + decoder.flush()).toBe(text);
      for (const part of shown) expect(part).not.toMatch(/\p{Surrogate}/u);
      const all = tokenizer.encode(text, { allowedSpecial: "all" }).ids;
      expect([...all]).toEqual(item.allSpecial ?? item.ids);
      const stream = new StreamEncoder(tokenizer, { special: "parse" });
      const pushed: number[] = [];
      for (let i = 0; i < text.length; i += 13) pushed.push(...stream.push(text.slice(i, i + 13)));
      expect([...pushed, ...stream.flush()]).toEqual([...all]);
    }
  });

  test.each(["r50k_base", "p50k_base", "cl100k_base", "o200k_base"] as const)(
    "%s has the reference's pattern and special tokens",
    (name) => {
      const { pat_str, special_tokens } = readJson(`oracle/tiktoken.${name}.json.gz`) as Oracle;
      expect(tiktokenEncoding(name)).toEqual({
        name,
        pattern: pat_str,
        specialTokens: special_tokens,
      });
    },
  );

  test("the samples of gpt-tokenizer", { timeout: 60_000 }, () => {
    const plans = readText("reference/gpt-tokenizer.TestPlans.txt")
      .split("EncodingName: ")
      .slice(1);
    const paths: Record<string, string> = {
      r50k_base: "r50k_base.tiktoken",
      p50k_base: "p50k_base.tiktoken",
      p50k_edit: "p50k_base.tiktoken",
      cl100k_base: "cl100k_base.tiktoken.gz",
      o200k_base: "o200k_base.tiktoken.gz",
    };
    let checked = 0;
    for (const [name, path] of Object.entries(paths)) {
      const encoding = tiktokenEncoding(name as TiktokenEncodingName);
      const tokenizer = fromTiktoken(readText(`tiktoken/${path}`), encoding);
      for (const plan of plans) {
        const match = /^(\w+)\nSample: ([^]*?)\nEncoded: (\[.*\])\s*$/u.exec(plan);
        if (match?.[1] !== name) continue;
        const ids = tokenizer.encode(match[2]!, { special: "parse" }).ids;
        expect([name, match[2], ...ids]).toEqual([name, match[2], ...JSON.parse(match[3]!)]);
        checked++;
      }
    }
    expect(checked).toBe(plans.length);
  });
});

const bytes = Array.from({ length: 256 }, (_, byte) => [String.fromCharCode(byte), byte] as const);
const lines = (extra: readonly (readonly [string, number])[] = []): string =>
  [...bytes, ...extra].map(([token, rank]) => `${btoa(token)} ${rank}`).join("\n");
const small = (extra?: readonly (readonly [string, number])[]) =>
  fromTiktoken(lines(extra), {
    pattern: "[a-z]+|[^a-z]",
    specialTokens: { "<a>": 300, "<b>": 301, ж: 302 },
  });

test("merges whatever is a token together, lowest rank first", () => {
  const tokenizer = small([
    ["ab", 256],
    ["bc", 257],
    ["abc", 258],
    ["aab", 259],
  ]);
  const ids = (text: string): number[] => [...tokenizer.encode(text).ids];
  expect(ids("abc")).toEqual([258]);
  expect(ids("aabc")).toEqual([97, 258]);
  expect(ids("aab")).toEqual([259]);
  expect(ids("xbcab")).toEqual([120, 257, 256]);
});

test("refuses special tokens unless they are allowed", () => {
  const tokenizer = small();
  const text = "x<a><b>ж";
  const plain = [...new TextEncoder().encode(text)];
  const ids = (options?: object): number[] => [...tokenizer.encode(text, options).ids];
  const message = (options?: object): string => {
    try {
      ids(options);
      return "";
    } catch (error) {
      return InferenceError.is(error, "range") ? error.message : String(error);
    }
  };
  expect(message()).toContain('got "<a>" at 1;');
  expect(message({ allowedSpecial: ["<a>"] })).toContain('got "<b>" at 4;');
  expect(message({ disallowedSpecial: ["ж"] })).toContain('got "ж" at 7;');
  expect(() => tokenizer.encode(["x", "<b>"])).toThrow('got "<b>" at 0;');
  expect(() => tokenizer.encode("x", { pair: "<b>" })).toThrow('got "<b>" at 0;');
  expect(ids({ disallowedSpecial: [] })).toEqual(plain);
  expect(ids({ special: "text" })).toEqual(plain);
  expect(ids({ allowedSpecial: "all" })).toEqual([120, 300, 301, 302]);
  expect(ids({ special: "parse" })).toEqual([120, 300, 301, 302]);
  expect(ids({ allowedSpecial: new Set(["<b>"]), disallowedSpecial: [] })).toEqual([
    ...plain.slice(0, 4),
    301,
    ...plain.slice(7),
  ]);
  expect(tokenizer.decode([120, 300, 302])).toBe("x<a>ж");
});

test("knows the tokens of o200k_harmony", () => {
  const { specialTokens } = tiktokenEncoding("o200k_harmony");
  const ids = new Set(Object.values(specialTokens));
  expect(ids.size).toBe(1090);
  expect(specialTokens["<|call|>"]).toBe(200012);
  expect(specialTokens["<|reserved_200018|>"]).toBe(200018);
  expect(specialTokens["<|endofprompt|>"]).toBe(200018);
});

test.each([
  ["ranks line 257: expected a token in base64", `${lines()}\n!! 256`],
  ["ranks line 257: expected a token in base64", `${lines()}\nYWI=`],
  ["ranks line 257: expected a token in base64", `${lines()}\nYWI= -1`],
  ["ranks line 257: expected a token that is not", `${lines()}\nYQ== 256`],
  ["ranks line 257: expected a rank that is not", `${lines()}\nYWI= 3`],
  ["ranks line 257: expected a token of at most", `${lines()}\n${btoa("a".repeat(600))} 256`],
  ["expected a token for byte 00", lines().slice(lines().indexOf("\n") + 1)],
])("refuses ranks: %s", (message, ranks) => {
  expect(() => fromTiktoken(ranks, { pattern: "." })).toThrow(message);
});

test("refuses special tokens that clash with ranks", () => {
  const make = (specialTokens: Record<string, number>) => () =>
    fromTiktoken(lines(), { pattern: ".", specialTokens });
  expect(make({ a: 300 })).toThrow("names that are no tokens");
  expect(make({ "<a>": 97 })).toThrow("ids that are no ranks");
  expect(make({ "<a>": 1.5 })).toThrow("ids in [0, 16777216)");
});
