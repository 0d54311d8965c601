import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";
import { mixedText } from "./hard-texts.ts";
import { findDifferences } from "./native-batches.ts";
import { createReference, unitsByCodePoint } from "./reference.ts";

// Options of byte-pair encoding in any combination, dropout, lists of words and the maps between
// characters and tokens, against the reference.

const letters = ["a", "b", "c", "é", "漢", "😀", " "];
const bytes = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
);

/** A model over characters with merges of any two tokens that are there already. */
function characterModel(
  picks: readonly (readonly [number, number])[],
  options: {
    readonly bytes: number;
    readonly unknown: boolean;
    readonly prefix: string;
    readonly suffix: string;
  } & Record<string, unknown>,
): object {
  const { bytes: known, unknown, prefix, suffix, ...rest } = options;
  const starts = letters.flatMap((letter) => [letter, `${letter}${suffix}`]);
  const inside = letters.flatMap((letter) => [`${prefix}${letter}`, `${prefix}${letter}${suffix}`]);
  const tokens = [...new Set(["<unk>", ...starts, ...inside, ...bytes.slice(0, known)])];
  const merges = new Map<string, readonly [string, string]>();
  for (const [one, other] of picks) {
    const left = tokens[1 + (one % (tokens.length - 1))]!;
    const right = tokens[1 + (other % (tokens.length - 1))]!;
    if (prefix !== "" && !right.startsWith(prefix)) continue;
    if (suffix !== "" && left.endsWith(suffix)) continue;
    const whole = left + right.slice(prefix.length);
    if (!tokens.includes(whole)) tokens.push(whole);
    merges.set(`${left}\0${right}`, [left, right]);
  }
  return {
    version: "1.0",
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: "\\n+" },
      behavior: "Removed",
      invert: false,
    },
    model: {
      type: "BPE",
      ...rest,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [...merges.values()],
      unk_token: unknown ? "<unk>" : null,
      continuing_subword_prefix: prefix === "" ? null : prefix,
      end_of_word_suffix: suffix === "" ? null : suffix,
    },
  };
}

test("byte-pair encoding with any options", { timeout: 60_000 }, async () => {
  const options = fc.record({
    bytes: fc.constantFrom(0, 200, 256),
    unknown: fc.boolean(),
    prefix: fc.constantFrom("", "##"),
    suffix: fc.constantFrom("", "</w>"),
    fuse_unk: fc.boolean(),
    byte_fallback: fc.boolean(),
    ignore_merges: fc.boolean(),
  });
  const text = fc
    .array(fc.constantFrom(...letters, "x", "é", "ÿ", "\u{1f601}", "ab", "abab", "\n"), {
      maxLength: 14,
    })
    .map((parts) => parts.join(""));
  const texts = fc.array(text, { minLength: 20, maxLength: 20 });
  const picks = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(picks, options, texts, async (pairs, parts, sources) => {
      // Bytes of affixes have ranges behind the end of the text there.
      const affixes = parts.byte_fallback ? { prefix: "", suffix: "" } : {};
      const json = characterModel(pairs, { ...parts, ...affixes });
      const all = { addSpecialTokens: false, decode: false, details: true };
      const differences = await findDifferences(
        createTokenizer(json),
        createReference(json),
        sources,
        all,
      );
      expect(differences).toEqual([]);
    }),
    { numRuns: 400, seed: 9 },
  );
});

describe("dropout", () => {
  const merges = [
    ["a", "b"],
    ["ab", "ab"],
    ["b", "a"],
    ["c", "ab"],
    ["abab", "c"],
  ] as const;
  const ids = (list: ArrayLike<number>): string => Array.from(list).join();

  test("of everything leaves what the reference leaves", async () => {
    const json = smallTokenizer(merges, {}, { dropout: 1 });
    for (const source of ["abab cab", "ababab", "é漢"]) {
      const ours = createTokenizer(json).encode(source, { random: () => 0.5 });
      expect(ids(ours.ids)).toBe(ids((await createReference(json).encode(source)).getIds()));
    }
  });

  test("gives nothing in the reference that no draws give here", async () => {
    const source = "cabab";
    const json = smallTokenizer(merges, {}, { dropout: 0.5 });
    const tokenizer = createTokenizer(json);
    // Every sequence of draws: the next one changes the last draw that was not high yet.
    const found = new Set<string>();
    for (let draws: boolean[] | null = []; draws !== null;) {
      let at = 0;
      const script: boolean[] = draws;
      const random = (): number => {
        if (at === script.length) script.push(false);
        return script[at++]! ? 0.9 : 0.1;
      };
      found.add(ids(tokenizer.encode(source, { random, addSpecialTokens: false }).ids));
      script.length = at;
      const last = script.lastIndexOf(false);
      draws = last < 0 ? null : [...script.slice(0, last), true];
    }
    expect(found.size).toBeGreaterThan(4);
    const native = createReference(json);
    const seen = new Set<string>();
    for (let i = 0; i < 400; i++) seen.add(ids((await native.encode(source)).getIds()));
    for (const each of seen) expect(found).toContain(each);
    expect(seen.size).toBeGreaterThan(1);
  });
});

test("characters to tokens and back, in pairs", { timeout: 60_000 }, async () => {
  const json = smallTokenizer(
    [
      ["a", "b"],
      [" ", "a"],
      ["æ", "¼"],
    ],
    {
      added_tokens: [addedToken("<s>"), addedToken("[M]", { lstrip: true })],
      post_processor: {
        type: "TemplateProcessing",
        single: [
          { SpecialToken: { id: "<s>", type_id: 0 } },
          { Sequence: { id: "A", type_id: 0 } },
        ],
        pair: [
          { Sequence: { id: "A", type_id: 0 } },
          { SpecialToken: { id: "<s>", type_id: 0 } },
          { Sequence: { id: "B", type_id: 1 } },
        ],
        special_tokens: { "<s>": { id: "<s>", ids: [259], tokens: ["<s>"] } },
      },
    },
  );
  const tokenizer = createTokenizer(json);
  const native = createReference(json);
  const text = mixedText(["ab", " ab", "[M]", "<s>"]).map((each) =>
    each.slice(0, 40).replace(/\p{Surrogate}/gu, "\ufffd"),
  );
  await fc.assert(
    fc.asyncProperty(text, text, async (first, second) => {
      const ours = tokenizer.encode(first, { pair: second });
      const theirs = await native.encode(first, second);
      expect([...ours.ids]).toEqual(theirs.getIds());
      [first, second].forEach((source, sequence) => {
        const units = unitsByCodePoint(source);
        units.slice(0, -1).forEach((unit, at) => {
          const token = theirs.charToToken(at, sequence) ?? null;
          expect([at, ours.charToToken(unit, sequence as 0 | 1)]).toEqual([at, token]);
        });
      });
      theirs.getIds().forEach((_, token) => {
        const range = theirs.tokenToChars(token) ?? null;
        const sequence = ours.sequenceIds[token]!;
        const units = unitsByCodePoint(sequence === 1 ? second : first);
        expect(ours.tokenToChars(token)).toEqual(range && range.map((at) => units[at]));
      });
    }),
    { numRuns: 300, seed: 4 },
  );
});

describe("lists of words are encoded as the reference's Python package does", () => {
  interface Expected {
    readonly words: readonly string[];
    readonly pair: readonly string[] | null;
    readonly ids: readonly number[];
    readonly offsets: readonly number[];
    readonly wordIds: readonly number[];
    readonly typeIds: readonly number[];
  }
  const read = (path: string): unknown =>
    JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
  const { items } = read("oracles/encode-words.json") as { items: Record<string, Expected[]> };

  test.each(Object.keys(items))("%s", (name) => {
    const tokenizer = createTokenizer(read(`fixtures/${name}.json`) as object);
    expect(items[name]!.length).toBeGreaterThan(10);
    for (const { words, pair, ...expected } of items[name]!) {
      const encoding = tokenizer.encode(words, { offsets: true, ...(pair !== null && { pair }) });
      const { ids, offsets, wordIds, typeIds } = encoding;
      const actual = {
        ids: [...ids],
        offsets: [...offsets],
        wordIds: [...wordIds],
        typeIds: [...typeIds],
      };
      expect([words, actual]).toEqual([words, expected]);
    }
  });
});
