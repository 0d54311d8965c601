import { describe, expect, test } from "vitest";
import { createTokenizer, type Tokenizer } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";
import oracle from "./oracles/transformers-config.json" with { type: "json" };

// Ids: bytes 0 to 255, <s> as a merged token, then what is added.
const merges = [
  ["<", "s"],
  ["<s", ">"],
] as const;
const json = smallTokenizer(merges, { added_tokens: [addedToken("<end>", { special: false })] });
const listed = (id: number, content: string, flags: Record<string, boolean> = {}): object => ({
  added_tokens_decoder: { [id]: addedToken(content, { special: false, ...flags }) },
});
const ids = (tokenizer: Tokenizer, text: string): number[] => [...tokenizer.encode(text).ids];

test("tokens of the configuration are added with their flags, in the order of their ids", () => {
  const tokenizer = createTokenizer(json, {
    added_tokens_decoder: {
      260: addedToken("<b>", { lstrip: true, special: false }),
      259: addedToken("<a>"),
    },
  });
  expect(ids(tokenizer, "x<a>y  <b>")).toEqual([120, 259, 121, 260]);
  expect([259, 260].map((id) => tokenizer.isSpecial(id))).toEqual([true, false]);
  expect(tokenizer.vocabSize).toBe(261);
  expect(tokenizer.decode([259, 120, 260], { skipSpecialTokens: true })).toBe("x<b>");
  const again = createTokenizer(tokenizer.toJson());
  expect(ids(again, "x<a>y  <b>")).toEqual([120, 259, 121, 260]);
});

test("the flags of the configuration win", () => {
  const tokenizer = createTokenizer(json, listed(258, "<end>", { rstrip: true }));
  expect(ids(createTokenizer(json), "<end> x")).toEqual([258, 32, 120]);
  expect(ids(tokenizer, "<end> x")).toEqual([258, 120]);
});

test("two ids for one token are an error", () => {
  expect(() => createTokenizer(json, listed(7, "<end>"))).toThrow(
    'added_tokens_decoder["7"]: expected the token "<end>" with the id 258, got ',
  );
  expect(() => createTokenizer(json, listed(300, "<new>"))).toThrow("with the id 259, got ");
  expect(() => createTokenizer(json, {}, { addedTokens: { "<new>": 300 } })).toThrow(
    'added_tokens.json ["<new>"]: expected the token "<new>" with the id 259, got 300',
  );
  expect(() => createTokenizer(json, {}, { addedTokens: { "<new>": "259" } })).toThrow(
    "an integer",
  );
});

test("tokens of added_tokens.json count where the configuration has no list", () => {
  const files = { addedTokens: '{"<b>": 260, "<a>": 259}' };
  const tokenizer = createTokenizer(json, { mask_token: "<b>" }, files);
  expect(ids(tokenizer, "<a><b>")).toEqual([259, 260]);
  expect([259, 260].map((id) => tokenizer.isSpecial(id))).toEqual([false, true]);
  const config = listed(258, "<end>");
  expect(createTokenizer(json, config, files).tokenToId("<a>")).toBeUndefined();
});

test("a token with a role is special, and found in text", () => {
  expect(ids(createTokenizer(json), "x<s>")).toEqual([120, 60, 115, 62]);
  const tokenizer = createTokenizer(json, { eos_token: "<end>", bos_token: "<s>" });
  expect(ids(tokenizer, "x<s>")).toEqual([120, 257]);
  // As in the reference, what the list of the file says stays.
  expect([257, 258].map((id) => tokenizer.isSpecial(id))).toEqual([true, false]);
  const marked = createTokenizer(json, { ...listed(258, "<end>"), eos_token: "<end>" });
  expect(marked.isSpecial(258)).toBe(true);
  const flagged = { content: "<s>", lstrip: true };
  expect(ids(createTokenizer(json, { cls_token: flagged }), "x <s>")).toEqual([120, 257]);
  const several = createTokenizer(json, { additional_special_tokens: ["<s>", "<nowhere>"] });
  expect(ids(several, "x<s><nowhere>")).toEqual([120, 257, 259]);
  const named = createTokenizer(json, { extra_special_tokens: { image_token: "<s>" } });
  expect(named.isSpecial(257)).toBe(true);
});

test("the longest input is a fact", () => {
  const lengthOf = (model_max_length?: unknown): number | null =>
    createTokenizer(json, { model_max_length }).modelMaxLength;
  expect([undefined, null, 512, 1e30].map(lengthOf)).toEqual([null, null, 512, null]);
  expect(() => lengthOf("512")).toThrow(
    'tokenizer_config.json model_max_length: expected a number, got "512"',
  );
});

describe("files as transformers reads them", () => {
  type Files = Parameters<typeof createTokenizer>[2];
  interface Case extends NonNullable<Files> {
    readonly name: string;
    readonly config: object;
    readonly post_processor?: object;
    readonly size: number;
    readonly special: readonly number[];
    readonly ids: readonly (readonly number[])[];
    readonly pair: readonly number[];
  }
  test.each(oracle.cases as readonly Case[])("$name", (each) => {
    const { config, post_processor } = each;
    const tokenizer = createTokenizer({ ...oracle.tokenizer, post_processor }, config, each);
    expect(tokenizer.vocabSize).toBe(each.size);
    const special = Array.from({ length: each.size }, (_, id) => id);
    expect(special.filter((id) => tokenizer.isSpecial(id))).toEqual(each.special);
    // This class makes a pipeline of its own, which differs behind added tokens.
    const isLlama = each.name.startsWith("Llama");
    const texts = isLlama ? oracle.texts.slice(0, 2) : oracle.texts;
    expect(texts.map((text) => ids(tokenizer, text))).toEqual(each.ids.slice(0, texts.length));
    const [first, pair] = oracle.pairTexts;
    expect([...tokenizer.encode(first!, { pair: pair! }).ids]).toEqual(each.pair);
  });
});
