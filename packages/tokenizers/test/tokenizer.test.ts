import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";

// Ids: bytes 0 to 255, then th, the, _the, aa, aaa, aaaa, Ã©.
const merges = [
  ["t", "h"],
  ["th", "e"],
  [" ", "the"],
  ["a", "a"],
  ["aa", "a"],
  ["aa", "aa"],
  ["Ã", "©"],
] as const;
const tokens = [addedToken("<end>"), addedToken("<m>", { lstrip: true, special: false })];
const tokenizer = createTokenizer(smallTokenizer(merges, { added_tokens: tokens }), {
  eos_token: { content: "<end>" },
  pad_token: "<m>",
  chat_template: [{ name: "default", template: "{{ messages }}" }],
});
const ids = (text: string): number[] => [...tokenizer.encode(text).ids];

describe("encode", () => {
  test("merges by rank, leftmost first", () => {
    expect(ids("the the")).toEqual([257, 258]);
    expect(ids("a")).toEqual([97]);
    expect(ids("aa")).toEqual([259]);
    expect(ids("aaa")).toEqual([260]);
    expect(ids("aaaa")).toEqual([261]);
    expect(ids("aaaaa")).toEqual([259, 260]);
    expect(ids("aaaaaa")).toEqual([261, 259]);
    expect(ids("aaaaaaaa")).toEqual([261, 261]);
  });

  test("recognises added tokens, or leaves special ones as text", () => {
    expect(ids("the<end>")).toEqual([257, 263]);
    const asText = tokenizer.encode("<end>", { special: "text" }).ids;
    expect([...asText]).toEqual([...new TextEncoder().encode("<end>")]);
    expect([...tokenizer.encode("a <m>", { special: "text" }).ids]).toEqual([97, 264]);
  });

  test("gives ranges in UTF-16 units, whole characters for parts of them", () => {
    const text = "the é😀<end>";
    const { ids: found, offsets } = tokenizer.encode(text, { offsets: true });
    expect([...found]).toEqual([257, 32, 262, 0xf0, 0x9f, 0x98, 0x80, 263]);
    expect([...offsets]).toEqual([0, 3, 3, 4, 4, 5, 5, 7, 5, 7, 5, 7, 5, 7, 7, 12]);
    expect(tokenizer.encode(text).offsets).toBe(null);
  });

  test("counts a lone surrogate as U+FFFD, one unit long", () => {
    const { ids: found, offsets } = tokenizer.encode("a\ud800a", { offsets: true });
    expect([...found]).toEqual([97, 0xef, 0xbf, 0xbd, 97]);
    expect([...offsets]).toEqual([0, 1, 1, 2, 1, 2, 1, 2, 2, 3]);
  });

  test("does not change what it returned when called again", () => {
    const first = tokenizer.encode("the the");
    tokenizer.encode("aaaa");
    expect([...first.ids]).toEqual([257, 258]);
    first.ids.fill(0);
    expect(ids("the the")).toEqual([257, 258]);
  });
});

describe("decode", () => {
  test("undoes encode", () => {
    for (const text of ["", "the the", "é 漢字 😀\n", "<end>a", "\0\ufeffx"]) {
      expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
    }
  });

  test("writes U+FFFD for bytes that form no character", () => {
    expect(tokenizer.decode([0xe6, 0xbc])).toBe("\ufffd");
    expect(tokenizer.decode([0xe6, 97, 0xff])).toBe("\ufffda\ufffd");
  });

  test("leaves special tokens out on request", () => {
    expect(tokenizer.decode([97, 263, 264])).toBe("a<end><m>");
    expect(tokenizer.decode([97, 263, 264], { skipSpecialTokens: true })).toBe("a<m>");
    expect(tokenizer.decode([0xe6, 263, 0xbc, 0xa2], { skipSpecialTokens: true })).toBe("漢");
  });

  test.each([265, -1, 1.5, Number.NaN, Infinity, 2 ** 32])("refuses the id %s", (id) => {
    const decode = (): unknown => tokenizer.decode([97, id]);
    expect(decode).toThrow(InferenceError);
    expect(decode).toThrow(`ids[1]: expected an id of a token, in [0, 265), got ${id}`);
    expect(() => tokenizer.idToBytes(id)).toThrow(InferenceError);
    expect(() => tokenizer.createStream().push(id)).toThrow(InferenceError);
  });
});

describe("looking things up", () => {
  test("tokens, ids and bytes", () => {
    expect(tokenizer.vocabSize).toBe(265);
    expect(tokenizer.tokenToId("Ġthe")).toBe(258);
    expect(tokenizer.tokenToId("nothing")).toBe(undefined);
    expect(tokenizer.idToToken(258)).toBe("Ġthe");
    expect(tokenizer.idToToken(265)).toBe(undefined);
    expect([...tokenizer.idToBytes(258)]).toEqual([32, 116, 104, 101]);
    expect([...tokenizer.idToBytes(0xe6)]).toEqual([0xe6]);
    expect(tokenizer.isSpecial(263)).toBe(true);
    expect(tokenizer.isSpecial(264)).toBe(false);
  });

  test("bytes belong to the caller", () => {
    tokenizer.idToBytes(258).fill(0);
    expect(tokenizer.decode([258])).toBe(" the");
  });

  test("the configuration", () => {
    expect(tokenizer.eosToken).toBe("<end>");
    expect([tokenizer.eosId, tokenizer.bosId, tokenizer.padId]).toEqual([263, null, 264]);
    expect(tokenizer.chatTemplate).toBe("{{ messages }}");
    const bare = createTokenizer(JSON.stringify(smallTokenizer(merges)));
    expect([bare.eosToken, bare.eosId, bare.chatTemplate]).toEqual([null, null, null]);
  });
});

test("a template frames the text unless told not to", () => {
  const framed = createTokenizer(
    smallTokenizer(merges, {
      added_tokens: [addedToken("<s>")],
      post_processor: {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }],
        special_tokens: { "<s>": { id: "<s>", ids: [263], tokens: ["<s>"] } },
      },
    }),
  );
  const { ids: found, offsets } = framed.encode("the", { offsets: true });
  expect([...found]).toEqual([263, 257]);
  expect([...offsets]).toEqual([0, 0, 0, 3]);
  expect([...framed.encode("the", { addSpecialTokens: false }).ids]).toEqual([257]);
});

test("normalization keeps track of where text came from", () => {
  const nfc = createTokenizer(smallTokenizer(merges, { normalizer: { type: "NFC" } }));
  const { ids: found, offsets } = nfc.encode("ae\u0301a", { offsets: true });
  expect([...found]).toEqual([97, 262, 97]);
  // The accent that went into é leaves its place to nobody, as in the reference.
  expect([...offsets]).toEqual([0, 1, 1, 2, 3, 4]);
});
