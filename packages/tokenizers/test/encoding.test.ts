import { expect, test } from "vitest";
import { byteOffsets, createTokenizer } from "../src/index.ts";
import { smallTokenizer } from "./byte-vocabulary.ts";

test("byte offsets are those of the UTF-8 form", () => {
  const text = "aé漢😀\ud800b";
  const tokenizer = createTokenizer(smallTokenizer([]));
  const { offsets } = tokenizer.encode(text, { offsets: true });
  const utf8 = new TextEncoder().encode(text);
  const ranges = byteOffsets(text, offsets);
  for (let i = 0; i < ranges.length; i += 2) {
    const part = new TextDecoder().decode(utf8.slice(ranges[i], ranges[i + 1]));
    const units = text.slice(offsets[i], offsets[i + 1]);
    expect(part).toBe(units.replace(/\p{Surrogate}/u, "\ufffd"));
  }
  expect(ranges.at(-1)).toBe(utf8.length);
});

test("dropout passes over merges by the draws it is given, and is off without", () => {
  const merges = [
    ["a", "b"],
    ["ab", "ab"],
    ["c", "d"],
  ] as const;
  const plain = createTokenizer(smallTokenizer(merges));
  const always = createTokenizer(smallTokenizer(merges, {}, { dropout: 1 }));
  const text = "abababcd cdab";
  expect([...always.encode(text).ids]).toEqual([...plain.encode(text).ids]);
  const letters = always.encode(text, { random: () => 0.5, offsets: true });
  expect(letters.tokens.join("|")).toBe("a|b|a|b|a|b|c|d|Ġ|c|d|a|b");
  expect([...letters.offsets].slice(0, 6)).toEqual([0, 1, 1, 2, 2, 3]);

  const half = createTokenizer(smallTokenizer(merges, {}, { dropout: 0.5 }));
  expect([...half.encode(text, { random: () => 0.9 }).ids]).toEqual([...plain.encode(text).ids]);
  let state = 1;
  const random = (): number => (state = (state * 16807) % 2147483647) / 2147483647;
  const seen = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const { ids } = half.encode(text, { random });
    expect(half.decode(ids)).toBe(text);
    seen.add(ids.join());
  }
  expect(seen.size).toBeGreaterThan(10);
});
