import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { translatePattern } from "../src/formats/oniguruma.ts";
import { tiktokenEncoding } from "../src/formats/tiktoken-encodings.ts";
import { WELL_KNOWN_PATTERNS, wellKnownRules } from "../src/formats/well-known-patterns.ts";
import { PatternMatcher } from "../src/pre-tokenizers/pattern-matcher.ts";
import { hardTexts, mixedText } from "./hard-texts.ts";

const pieces = [
  "'s",
  "'S",
  "'\u017f",
  "'RE",
  "'Ll",
  "'vE",
  "'",
  " ",
  "  ",
  "\n",
  "\r\n",
  "\t",
  "\u0085",
  "\u3000",
  "\ufeff",
  "a",
  "É",
  "12345",
  "½",
  "\u{1d7d8}",
  "\u{10400}",
  "😀",
  "!",
  "...",
  "\ud800",
  "\udc00",
  "e\u0301",
  "\u0301",
  "AB",
  "\u01c5",
  "\u02b0",
  "漢",
  "\u{10428}",
  "\u{11001}",
  "/",
];

describe.each(WELL_KNOWN_PATTERNS)("$pattern", ({ pattern, dialect, rules }) => {
  const { source, flag } = translatePattern(pattern, "pattern", dialect ?? "oniguruma");
  const ranges = (matcher: PatternMatcher, text: string): number[] => {
    const found: number[] = [];
    matcher.each(text, (start, end) => found.push(start, end));
    return found;
  };
  const slow = new PatternMatcher(source, flag);
  const fast = new PatternMatcher(source, flag, rules);
  const check = (text: string): void => {
    expect([text, ...ranges(fast, text)]).toEqual([text, ...ranges(slow, text)]);
  };

  test("the scanner finds what the pattern finds", () => {
    for (const text of hardTexts) check(text);
    fc.assert(fc.property(mixedText(pieces), check), { seed: 1, numRuns: 1500 });
    const glued = fc.array(fc.constantFrom(...pieces), { maxLength: 8 });
    fc.assert(
      fc.property(glued, (list) => check(list.join(""))),
      { seed: 1, numRuns: 3000 },
    );
  });

  test("every character is of the same class", { timeout: 60_000 }, () => {
    for (let base = 0; base < 0x20000; base += 0x400) {
      const characters = Array.from({ length: 0x400 }, (_, i) => String.fromCodePoint(base + i));
      check(characters.join("\n"));
      // Around upper and lower case, and behind symbols.
      check(characters.map((c) => `a${c}B A${c}Ba !!${c}`).join("\n"));
    }
  });
});

test("only patterns that are known to the letter have a scanner", () => {
  const [llama3, , cl100k] = WELL_KNOWN_PATTERNS;
  expect(wellKnownRules(llama3!.pattern, "fancy")).toBe(llama3!.rules);
  // Here a plus after a count repeats, so that digits would not be cut into threes.
  expect(wellKnownRules(cl100k!.pattern, "oniguruma")).toBeNull();
  expect(wellKnownRules(`${llama3!.pattern} `, "oniguruma")).toBeNull();
  for (const name of ["r50k_base", "cl100k_base", "o200k_base"] as const) {
    expect(wellKnownRules(tiktokenEncoding(name).pattern, "fancy")).not.toBeNull();
  }
});
