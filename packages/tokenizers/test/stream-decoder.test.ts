import fc from "fast-check";
import { expect, test } from "vitest";
import { createTokenizer, StreamDecoder } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";

const tokenizer = createTokenizer(
  smallTokenizer(
    [
      ["Ã", "©"],
      ["æ", "¼"],
    ],
    { added_tokens: [addedToken("<end>"), addedToken("é")] },
  ),
);

test("holds a character back until it is whole", () => {
  const stream = tokenizer.createStream();
  const bytes = new TextEncoder().encode("漢😀é");
  expect(Array.from(bytes, (byte) => stream.push(byte))).toEqual([
    "",
    "",
    "漢",
    "",
    "",
    "",
    "😀",
    "",
    "é",
  ]);
  expect(stream.flush()).toBe("");
});

test("says what is broken as soon as it is, and what is unfinished at the end", () => {
  const stream = new StreamDecoder(tokenizer);
  expect(stream.push(0xe6)).toBe("");
  expect(stream.push(97)).toBe("\ufffda");
  expect(stream.push(0xf0)).toBe("");
  expect(stream.flush()).toBe("\ufffd");
  expect(stream.push(97)).toBe("a");
});

test("is unchanged by an id that does not exist", () => {
  const stream = tokenizer.createStream();
  expect(stream.push(0xc3)).toBe("");
  expect(() => stream.push(9999)).toThrow("id: expected");
  expect(stream.push(0xa9)).toBe("é");
});

test("returns, joined, what decode returns, in whole characters", () => {
  const id = fc.oneof(
    fc.integer({ min: 0, max: 258 }),
    fc.constantFrom(0xe6, 0xbc, 0xa2, 256, 258),
  );
  fc.assert(
    fc.property(fc.array(id, { maxLength: 40 }), fc.boolean(), (ids, skipSpecialTokens) => {
      const stream = tokenizer.createStream({ skipSpecialTokens });
      const parts = ids.map((each) => stream.push(each));
      parts.push(stream.flush());
      expect(parts.join("")).toBe(tokenizer.decode(ids, { skipSpecialTokens }));
      for (const part of parts) expect(/\p{Surrogate}/u.test(part)).toBe(false);
    }),
    { numRuns: 2000 },
  );
});
