import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { addedToken } from "./byte-vocabulary.ts";
import { createReference } from "./reference.ts";

// Every decoder on any sequence of tokens, at once and as a stream, against the reference.

const tokens = [
  ...Array.from("abc .,'!?|▁ĠĊÃ©é漢😀"),
  "</w>",
  "a</w>",
  "b</w>c",
  "##a",
  "##",
  "▁a",
  "▁▁b",
  "a▁",
  " n't",
  "n't",
  " 'm",
  " do",
  "do not",
  "<0xE6>",
  "<0xBC>",
  "<0xA2>",
  "<0x41>",
  "<0x0a>",
  "<0xC3>",
  "<0x+1>",
  "<0xZZ>",
  "Ġthe",
  "æ¼¢",
  "<pad>",
  "a<pad>",
  "ab",
  "  a  ",
  "aa",
  "\ufeff",
];
const vocab = Object.fromEntries(
  [...new Set(["<unk>", ...tokens])].map((token, id) => [token, id]),
);
const size = Object.keys(vocab).length;
const spelled = (decoder: object | null): object => ({
  version: "1.0",
  added_tokens: [addedToken("<s>"), addedToken("É", { special: false, normalized: true })],
  normalizer: { type: "Lowercase" },
  decoder,
  model: { type: "WordLevel", vocab, unk_token: "<unk>" },
});
const sequence = (...decoders: object[]): object => ({ type: "Sequence", decoders });
const replace = (pattern: object, content: string): object => ({
  type: "Replace",
  pattern,
  content,
});
const strip = (start: number, stop: number): object => ({
  type: "Strip",
  content: " ",
  start,
  stop,
});
const marks = (prepend_scheme: string): object => ({
  type: "Metaspace",
  replacement: "▁",
  prepend_scheme,
  split: true,
});
const ctc = (cleanup: boolean): object => ({
  type: "CTC",
  pad_token: "<pad>",
  word_delimiter_token: "|",
  cleanup,
});
const byteLevel = {
  type: "ByteLevel",
  add_prefix_space: true,
  trim_offsets: true,
  use_regex: true,
};

const decoders: Record<string, object | null> = {
  none: null,
  ByteLevel: byteLevel,
  "ByteLevel in a sequence": sequence(byteLevel),
  "ByteLevel, then Strip": sequence(byteLevel, { ...strip(1, 0), content: "a" }),
  WordPiece: { type: "WordPiece", prefix: "##", cleanup: false },
  "WordPiece with cleanup": { type: "WordPiece", prefix: "##", cleanup: true },
  "Metaspace always": marks("always"),
  "Metaspace never": marks("never"),
  BPEDecoder: { type: "BPEDecoder", suffix: "</w>" },
  CTC: ctc(false),
  "CTC with cleanup": ctc(true),
  ByteFallback: { type: "ByteFallback" },
  Fuse: { type: "Fuse" },
  "Replace text": replace({ String: "a" }, "▁"),
  "Replace pattern": replace({ Regex: "\\s+" }, "_"),
  "Fuse, then Replace": sequence({ type: "Fuse" }, replace({ String: "ab" }, "-")),
  "Fuse, then Strip at both ends": sequence({ type: "Fuse" }, { ...strip(2, 0), content: "a" }),
  "Replace and Metaspace": sequence(replace({ String: "▁" }, "a"), marks("always")),
  "all of Llama": sequence(
    replace({ String: "▁" }, " "),
    { type: "ByteFallback" },
    { type: "Fuse" },
    strip(1, 0),
  ),
  "WordPiece, then BPEDecoder": sequence(
    { type: "WordPiece", prefix: "##", cleanup: true },
    { type: "BPEDecoder", suffix: "</w>" },
  ),
};

/** The reference aborts where it would strip more than there is. */
const stripMany = sequence({ type: "Fuse" }, { ...strip(3, 5), content: "a" });

const ids = fc.array(fc.nat({ max: size }), { minLength: 1, maxLength: 12 });
const sequences = fc.sample(ids, { numRuns: 3000, seed: 11 });

describe.each(Object.entries(decoders))("%s", (_, decoder) => {
  const json = spelled(decoder);
  const tokenizer = createTokenizer(json);

  test.each([false, true])("decodes as the reference, specials left out: %s", async (skip) => {
    const options = { skipSpecialTokens: skip };
    const kept = sequences.filter((each) => !skip || each.some((id) => id < size));
    const decoded = await createReference(json).decodeBatch(kept, skip);
    kept.forEach((each, i) => {
      const shown = each.map((id) => tokenizer.idToToken(id));
      const text = tokenizer.decode(each, options);
      expect([shown, text]).toEqual([shown, decoded[i]]);
      const stream = tokenizer.createStream(options);
      const parts = each.map((id) => stream.push(id));
      expect([shown, parts.join("") + stream.flush()]).toEqual([shown, text]);
      // A stream that was flushed is as new.
      expect(each.map((id) => stream.push(id)).join("") + stream.flush()).toBe(text);
      for (const part of parts) expect(part).not.toMatch(/\p{Surrogate}/u);
    });
  });

  test("decodes nothing to nothing", () => {
    expect(tokenizer.decode([])).toBe("");
    expect(tokenizer.createStream().flush()).toBe("");
  });
});

test("strips as many as there are, token by token", () => {
  const tokenizer = createTokenizer(spelled(stripMany));
  for (const list of sequences.slice(0, 1000)) {
    const fused = list.map((id) => (id === size + 1 ? "é" : tokenizer.idToToken(id)!)).join("");
    const text = fused.replace(/^a{1,3}/u, "").replace(/a{1,5}$/u, "");
    const stream = tokenizer.createStream();
    expect(list.map((id) => stream.push(id)).join("") + stream.flush()).toBe(text);
    expect(tokenizer.decode(list)).toBe(text);
  }
});

test.each(Object.entries({ ...decoders, stripMany }))(
  "%s: eight times the tokens take no more than thrice their share of time",
  { timeout: 60_000 },
  (_, decoder) => {
    const tokenizer = createTokenizer(spelled(decoder));
    const time = (list: readonly number[]): number => {
      const stream = tokenizer.createStream();
      const start = performance.now();
      for (const id of list) stream.push(id);
      stream.flush();
      return performance.now() - start;
    };
    // One token again and again, of the kinds that steps hold back, and all in turn.
    for (const token of ["a", "<0xE6>", "ab", " ", null]) {
      const list = Array.from({ length: 16_000 }, (_each, i) =>
        token === null ? i % size : tokenizer.tokenToId(token)!,
      );
      // Quadratic time would be 64 times as long.
      let [few, many] = [Infinity, Infinity];
      for (let round = 0; round < 40 && !(round > 0 && many < 12 * few); round++) {
        few = Math.min(few, time(list.slice(14_000)));
        many = Math.min(many, time(list));
      }
      expect([token, many < 24 * few]).toEqual([token, true]);
    }
  },
);

test("a stream of byte tokens holds a run back, and nothing else", () => {
  const tokenizer = createTokenizer(spelled(decoders["all of Llama"]!));
  const stream = tokenizer.createStream();
  const push = (token: string): string => stream.push(tokenizer.tokenToId(token)!);
  const parts = ["▁a", "b", "<0xE6>", "<0xBC>", "<0xA2>", "c", "▁a", "<0xC3>"].map(push);
  expect(parts).toEqual(["a", "b", "", "", "", "漢c", " a", ""]);
  expect(stream.flush()).toBe("\ufffd");
  expect(() => stream.push(9999)).toThrow("expected an id of a token");
});

test("tells the bytes of a token in the middle of a text", () => {
  const bytesOf = (decoder: object, token: string): string => {
    const tokenizer = createTokenizer(spelled(decoder));
    return [...tokenizer.idToBytes(tokenizer.tokenToId(token)!)].join();
  };
  expect(bytesOf(decoders["all of Llama"]!, "▁a")).toBe("32,97");
  expect(bytesOf(decoders["all of Llama"]!, "<0xE6>")).toBe("230");
  expect(bytesOf(decoders["WordPiece"]!, "##a")).toBe("97");
  expect(bytesOf(decoders["WordPiece"]!, "a")).toBe("32,97");
  expect(bytesOf(decoders["BPEDecoder"]!, "a</w>")).toBe("97,32");
});
