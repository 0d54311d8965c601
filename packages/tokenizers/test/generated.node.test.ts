import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";
import { divergences, generateTexts, newCharacter } from "./generated-texts.ts";
import { findDifferences } from "./native-batches.ts";
import { createReference } from "./reference.ts";

// 20,000 texts for each of the project's own tokenizers, which are of every kind.
const TEXTS = 20_000;

const folder = new URL("fixtures/", import.meta.url);
const names = readdirSync(folder)
  .filter((name) => /^(?!texts)[^.]+\.json$/u.test(name))
  .map((name) => name.replace(".json", ""));

const texts = generateTexts(TEXTS, ["<s>", "</s>", "[CLS]", "[SEP]", "[MASK]", "<|end|>", "<unk>"]);

test.each(names)("%s agrees with the reference", { timeout: 180_000 }, async (name) => {
  const json = readFileSync(new URL(`${name}.json`, folder), "utf8");
  const tokenizer = createTokenizer(json);
  const reference = createReference(json);
  reference.disablePadding();
  const all = { addSpecialTokens: true, decode: true, details: false };
  expect(await findDifferences(tokenizer, reference, texts, all)).toEqual([]);
  const some = { addSpecialTokens: false, decode: true, details: true };
  expect(await findDifferences(tokenizer, reference, texts.slice(0, 2000), some)).toEqual([]);

  const again = createTokenizer(JSON.stringify(tokenizer.toJson()));
  const copy = createReference(tokenizer.toJson());
  copy.disablePadding();
  expect(await findDifferences(again, copy, texts.slice(0, 500), some)).toEqual([]);
  for (const text of texts.slice(0, 500)) {
    expect([...again.encode(text).ids]).toEqual([...tokenizer.encode(text).ids]);
  }
});

describe("what is meant to differ", () => {
  const byteLevel = {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: false,
  };

  test("characters of Unicode 17, where the engine knows them", async () => {
    const cut = {
      type: "Split",
      pattern: { Regex: "\\p{N}" },
      behavior: "Isolated",
      invert: false,
    };
    const pretokenizers = [cut, byteLevel];
    const json = smallTokenizer([], { pre_tokenizer: { type: "Sequence", pretokenizers } });
    const digit = "a\u{11de3}";
    expect(digit.replace(newCharacter, "")).toBe("a");
    const known = /\p{N}/u.test("\u{11de3}");
    const [ours, theirs] = [createTokenizer(json), createReference(json)];
    const words = [...ours.encode(digit).wordIds];
    expect(new Set(words).size).toBe(known ? 2 : 1);
    expect(new Set((await theirs.encode(digit)).getWordIds()).size).toBe(1);
  });

  test("what overflows", async () => {
    const { text, truncation, reference, ours } = divergences.overflow;
    const pre_tokenizer = { type: "WhitespaceSplit" };
    const model = { type: "WordLevel", vocab: { "<unk>": 0 }, unk_token: "<unk>" };
    const json = { version: "1.0", truncation, pre_tokenizer, model };
    expect(createTokenizer(json).encode(text).overflowing).toHaveLength(ours);
    const encoding = await createReference(json).encode(text);
    expect(encoding.getOverflowing()).toHaveLength(reference);
  });

  test("how added tokens are spelled", async () => {
    const { text, reference, ours } = divergences.spelling;
    const json = smallTokenizer([], { added_tokens: [addedToken("<m>", { lstrip: true })] });
    expect(createTokenizer(json).encode(text).tokens).toEqual(ours);
    expect((await createReference(json).encode(text)).getTokens()).toEqual(reference);
  });

  test("the text that copies come from", async () => {
    const { text, reference, ours } = divergences.sequences;
    const copy = { Sequence: { id: "A", type_id: 0 } };
    const single = [copy, copy];
    const post_processor = { type: "TemplateProcessing", single, pair: single, special_tokens: {} };
    const json = smallTokenizer([], { post_processor });
    expect([...createTokenizer(json).encode(text).sequenceIds]).toEqual(ours);
    const ids = (await createReference(json).encode(text)).getSequenceIds();
    expect(ids.map((id) => id ?? -1)).toEqual(reference);
  });

  test("ranges of the bytes of affixes", async () => {
    const { text, reference, ours } = divergences.affixes;
    const bytes = Array.from({ length: 256 }, (_, byte): [string, number] => [
      `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
      byte,
    ]);
    const model = {
      type: "BPE",
      vocab: Object.fromEntries(bytes),
      merges: [],
      byte_fallback: true,
      end_of_word_suffix: "</w>",
    };
    const encoding = createTokenizer({ model }).encode(text, { offsets: true });
    expect([...encoding.offsets]).toEqual(ours);
    const same = await createReference({ version: "1.0", model }).encode(text);
    expect([...encoding.ids]).toEqual(same.getIds());
    // Past the end there is nothing to count in.
    const units = [0, 1];
    expect(same.getOffsets().flatMap((range) => range.map((at) => units[at] ?? null))).toEqual(
      reference,
    );
  });

  test.each(divergences.patterns.refused)("the pattern %s", (pattern) => {
    const cut = { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
    const json = smallTokenizer([], { pre_tokenizer: cut });
    expect(() => createReference(json)).not.toThrow();
    expect(() => createTokenizer(json)).toThrow(
      /pre_tokenizer.pattern.Regex: .* cannot be transl/u,
    );
  });
});
