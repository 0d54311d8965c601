import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromSentencePiece, type Tokenizer } from "../src/index.ts";
import { writeCharsmap } from "./charsmap-writer.ts";
import { hardTexts } from "./hard-texts.ts";
import { writeSentencePieceModel, type ModelParts } from "./sentencepiece-writer.ts";

const UNIGRAM = 1;
const BPE = 2;
const WORD = 3;
const CHAR = 4;
const base: ModelParts["pieces"] = [
  ["<unk>", 0, 2],
  ["<s>", 0, 3],
  ["</s>", 0, 3],
  ["\u2581", -2],
  ["a", -3],
  ["b", -3.5],
  ["ab", -4],
  ["\u2581a", -4.5],
  ["é", -5],
  ["[mine]", -9, 4],
];
const bytes = Array.from(
  { length: 256 },
  (_, byte) => [`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`, 0, 6] as const,
);
const model = (parts: Partial<ModelParts> = {}): Tokenizer =>
  fromSentencePiece(writeSentencePieceModel({ pieces: base, ...parts }));
const tokens = (tokenizer: Tokenizer, text: string): (string | undefined)[] =>
  Array.from(tokenizer.encode(text).ids, (id) => tokenizer.idToToken(id));

describe("normalization", () => {
  test.each([
    ["squeezes spaces and adds one", {}, "  a  b ", ["\u2581a", "\u2581", "b"]],
    ["keeps spaces", { 4: 0 }, " a b", ["\u2581", "\u2581a", "\u2581", "b"]],
    ["adds no space", { 3: 0 }, "a b", ["a", "\u2581", "b"]],
    ["is nothing for spaces", {}, "   ", []],
    ["leaves the user's symbols alone", {}, "a[mine]b", ["\u2581a", "[mine]", "b"]],
  ] as const)("%s", (_, normalizer, text, expected) => {
    for (const algorithm of [UNIGRAM, BPE]) {
      const tokenizer = model({ normalizer, trainer: { 3: algorithm } });
      expect(tokens(tokenizer, text)).toEqual(expected);
    }
  });

  test("puts the space after the text", () => {
    expect(tokens(model({ trainer: { 24: 1 } }), "ab")).toEqual(["ab", "\u2581"]);
  });

  test("takes the longest rule", () => {
    const charsmap = writeCharsmap({ x: "a", xy: "b", "\t": " ", z: "" });
    const tokenizer = model({ normalizer: { 2: charsmap } });
    expect(tokens(tokenizer, "x\txyz")).toEqual(["\u2581a", "\u2581", "b"]);
    const { offsets } = tokenizer.encode("x\txyz", { offsets: true });
    expect([...offsets]).toEqual([0, 1, 1, 2, 2, 5]);
  });
});

describe("segmentation", () => {
  test("joins unknown characters, or takes their bytes", () => {
    expect(tokens(model(), "a漢字b")).toEqual(["\u2581a", "<unk>", "b"]);
    const tokenizer = model({ pieces: [...base, ...bytes], trainer: { 35: 1 } });
    const { ids, offsets } = tokenizer.encode("a漢b", { offsets: true });
    expect(tokens(tokenizer, "a漢b")).toEqual(["\u2581a", "<0xE6>", "<0xBC>", "<0xA2>", "b"]);
    expect([...offsets]).toEqual([0, 1, 1, 2, 1, 2, 1, 2, 2, 3]);
    expect(tokenizer.decode(ids)).toBe("a漢b");
  });

  test("takes unused pieces apart again", () => {
    const pieces = base.map((entry): ModelParts["pieces"][number] =>
      entry[0] === "ab" ? ["ab", entry[1], 5] : entry,
    );
    for (const algorithm of [UNIGRAM, BPE]) {
      expect(tokens(model({ pieces, trainer: { 3: algorithm } }), "bab")).toEqual([
        "\u2581",
        "b",
        "a",
        "b",
      ]);
    }
  });

  test("knows models of characters and of words", () => {
    expect(tokens(model({ trainer: { 3: CHAR } }), "ab [mine]")).toEqual([
      "\u2581",
      "a",
      "b",
      "\u2581",
      "[mine]",
    ]);
    expect(tokens(model({ trainer: { 3: WORD } }), "a a b")).toEqual([
      "\u2581a",
      "\u2581a",
      "<unk>",
    ]);
  });

  test("merges the highest score first, then the leftmost", () => {
    const pieces = [...base, ["aa", -1], ["aaa", -0.5], ["ba", -1]] as ModelParts["pieces"];
    const tokenizer = model({ pieces, trainer: { 3: BPE }, normalizer: { 3: 0 } });
    expect(tokens(tokenizer, "aaaa")).toEqual(["aaa", "a"]);
    expect(tokens(tokenizer, "baa")).toEqual(["ba", "a"]);
  });

  test("frames texts and pairs on request", () => {
    const file = writeSentencePieceModel({ pieces: base });
    const tokenizer = fromSentencePiece(file, { addBos: true, addEos: true });
    expect([...tokenizer.encode("a").ids]).toEqual([1, 7, 2]);
    expect([...tokenizer.encode("a", { addSpecialTokens: false }).ids]).toEqual([7]);
    expect([tokenizer.bosId, tokenizer.eosId, tokenizer.padId]).toEqual([1, 2, null]);
    expect(fromSentencePiece(file).encode("<s>").ids).not.toContain(1);
    expect(fromSentencePiece(file, { parseControl: true }).encode("<s>").ids).toContain(1);
  });
});

describe("decoding", () => {
  const pieces = [...base, ...bytes, ["\u2581\u2581", -9]] as ModelParts["pieces"];
  const ids = (tokenizer: Tokenizer, ...names: readonly string[]): number[] =>
    names.map((name) => tokenizer.tokenToId(name)!);

  test.each([
    ["a b", ["\u2581a", "\u2581", "b"]],
    ["a", ["<s>", "\u2581", "a", "</s>"]],
    [" \u2047 a", ["<unk>", "a"]],
    [" \u2047  a", ["<unk>", "\u2581a"]],
    ["漢", ["<0xE6>", "<0xBC>", "<0xA2>"]],
    ["\ufffd\ufffda", ["<0xE6>", "<0xBC>", "a"]],
    ["\ufffda", ["<0xE6>", "<0x61>"]],
    ["\ufffd\ufffd\ufffd", ["<0xED>", "<0xA0>", "<0x80>"]],
    ["\ufffd\ufffd", ["<0xC0>", "<0x80>"]],
    ["b a", ["\u2581", "\u2581", "b", "\u2581a"]],
  ])("%j", (text, names) => {
    const tokenizer = model({ pieces });
    expect(tokenizer.decode(ids(tokenizer, ...names))).toBe(text);
  });

  test("takes off one space if spaces are kept", () => {
    const tokenizer = model({ pieces, normalizer: { 4: 0 } });
    expect(tokenizer.decode(ids(tokenizer, "\u2581\u2581", "a"))).toBe(" a");
    expect(tokenizer.decode(ids(tokenizer, "\u2581", "\u2581a"))).toBe(" a");
    const plain = model({ pieces, normalizer: { 3: 0, 4: 0 } });
    expect(plain.decode(ids(plain, "\u2581", "\u2581a"))).toBe("  a");
  });

  test("streams what it decodes, whatever the ids", () => {
    const charsmap = writeCharsmap({ ab: "AB", abab: "!", é: "" });
    const denormalizer = { 2: charsmap, 3: 0, 4: 0, 5: 0 };
    for (const tokenizer of [model({ pieces }), model({ pieces, denormalizer })]) {
      const anyIds = fc.array(fc.nat({ max: tokenizer.vocabSize - 1 }), { maxLength: 12 });
      fc.assert(
        fc.property(anyIds, (list) => {
          const stream = tokenizer.createStream();
          const pushed = list.map((id) => stream.push(id)).join("") + stream.flush();
          expect(pushed).toBe(tokenizer.decode(list));
        }),
        { seed: 1, numRuns: 500 },
      );
    }
    const tokenizer = model({ pieces, denormalizer });
    expect(tokenizer.decode(ids(tokenizer, "ab", "é", "ab", "ab", "a"))).toBe("AB!a");
  });
});

describe("hostile files", () => {
  const file = writeSentencePieceModel({
    pieces: [...base, ...bytes.slice(0, 8)],
    trainer: { 3: BPE, 44: new TextEncoder().encode("?") },
    normalizer: { 2: writeCharsmap({ x: "a", xy: "b" }).slice(0, 3000), 3: 1 },
  });
  const attempt = (bytesOfFile: Uint8Array): void => {
    try {
      const tokenizer = fromSentencePiece(bytesOfFile);
      for (const text of ["a xy ab", hardTexts[6]!]) tokenizer.decode(tokenizer.encode(text).ids);
    } catch (error) {
      expect(InferenceError.is(error)).toBe(true);
    }
  };

  test("are read, or refused by an InferenceError", { timeout: 30_000 }, () => {
    const charsmap = writeCharsmap({ x: "a", xy: "b" });
    const whole = writeSentencePieceModel({ pieces: base, normalizer: { 2: charsmap } });
    for (let end = 0; end < Math.min(whole.length, 300); end++) attempt(whole.slice(0, end));
    const change = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(
        fc.constantFrom(file, whole),
        fc.array(change, { maxLength: 6 }),
        (from, edits) => {
          const changed = from.slice();
          for (const [where, byte] of edits) changed[Math.floor(where * (from.length - 1))] = byte;
          attempt(changed);
        },
      ),
      { seed: 1, numRuns: 1500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => attempt(noise)),
      { seed: 1, numRuns: 500 },
    );
  });

  test.each<[string, Partial<ModelParts>]>([
    ["model pieces: expected one unknown piece, got none", { pieces: base.slice(1) }],
    ["pieces[10]: expected one unknown piece", { pieces: [...base, ["<u>", 0, 2]] }],
    ['pieces[10]: expected a piece of its own, got "a" again', { pieces: [...base, ["a", 0]] }],
    ["pieces[10]: expected a piece that is not empty", { pieces: [...base, ["", 0]] }],
    ["pieces[10] score: expected a finite number", { pieces: [...base, ["x", NaN]] }],
    ["pieces[10] type: expected a number from 1 to 6, got 7", { pieces: [...base, ["x", 0, 7]] }],
    ["expected <0x00> to fall back to", { trainer: { 35: 1 } }],
    ["model_type: expected a number from 1 to 4, got 9", { trainer: { 3: 9 } }],
    ["unk_surface: expected UTF-8", { trainer: { 44: Uint8Array.of(0xff) } }],
    ["charsmap: expected a character map", { normalizer: { 2: Uint8Array.of(1, 2) } }],
    ["a denormalizer that changes spaces", { denormalizer: { 2: writeCharsmap({ x: "a" }) } }],
  ])("are refused by name: %s", (message, parts) => {
    expect(() => model(parts)).toThrow(message);
  });
});
