import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CaseFolding } from "../src/formats/case-folding.ts";
import { createTokenizer } from "../src/index.ts";
import { newCharacter } from "./generated-texts.ts";
import { createReference } from "./reference.ts";

/** Letters that equal others in unusual ways, and some that do not. */
const LETTERS = Array.from(
  "aAbsSſßẞkK\u212aiIıİéÉσςΣµμΜåÅ\u212bǆǅǄǇαΑιΙ\u0345ᾳᾼΐfFlLtTﬀﬁﬂﬃﬅﬆŉʼnhẖωῳևեւⱥȺꭰᎠ𐐀𐐨",
);
const MARKS = ["\u0301", "\u0307", "\u0308", "\u0331", "\u0342", "'", "1", " "];
const some = fc.constantFrom(...LETTERS, ...MARKS);
const joined = (max: number): fc.Arbitrary<string> =>
  fc.array(some, { minLength: 1, maxLength: max }).map((parts) => parts.join(""));

/** A text of one's own characters, and of others that may equal them. */
const cased = (text: string): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(text, text.toUpperCase(), text.toLowerCase(), text.normalize("NFD")),
      joined(9),
    )
    .chain(([changed, more]) => fc.constantFrom(changed + more, more + changed, changed + changed));

const literal = joined(4);
const atom = fc.oneof(
  { weight: 3, arbitrary: literal },
  literal.map((text) => `(?:${text})`),
  fc.tuple(some, some).map(([a, b]) => `[${a}${b}]`),
  fc
    .tuple(some, some)
    .filter(([a, b]) => a < b)
    .map(([a, b]) => `[^${a}-${b}]`),
  fc.constantFrom("\\w", "\\p{Lu}", "\\p{Ll}", "\\W"),
);
const pattern = fc
  .array(fc.tuple(atom, fc.constantFrom("", "", "", "+", "?", "{2}")), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => parts.map((part) => part.join("")).join(""));

const words = { type: "WordLevel", vocab: { "?": 0 }, unk_token: "?" };
const splitBy = (regex: string): object => ({
  version: "1.0",
  added_tokens: [],
  pre_tokenizer: { type: "Split", pattern: { Regex: regex }, behavior: "Removed", invert: true },
  model: words,
});

/** Ranges of all matches, by this and by the native package; null for what is refused here. */
async function bothMatches(regex: string, texts: readonly string[]): Promise<unknown[][] | null> {
  let tokenizer;
  try {
    tokenizer = createTokenizer(splitBy(regex));
  } catch {
    return null;
  }
  const encodings = await createReference(splitBy(regex)).encodeBatch([...texts]);
  return texts.map((text, i) => {
    const characters = Array.from(text);
    const expected = encodings[i]!.getOffsets().map(([a, b]) => characters.slice(a, b).join(""));
    const { offsets, ids } = tokenizer.encode(text, { offsets: true });
    const actual = Array.from(ids, (_, k) => text.slice(offsets[2 * k], offsets[2 * k + 1]));
    return [
      { regex, text, actual },
      { regex, text, actual: expected },
    ];
  });
}

describe("patterns regardless of case match what the native package's do", () => {
  test("every single character with cases", { timeout: 60_000 }, async () => {
    const cases: string[] = [];
    for (let code = 0; code < 0x2_0000; code++) {
      const character = String.fromCodePoint(code);
      if (/\p{Changes_When_Casemapped}/u.test(character.replace(newCharacter, ""))) {
        cases.push(character);
      }
    }
    expect(cases.length).toBeGreaterThan(2800);
    const all = cases.join(" ");
    for (const regex of cases.filter((_, i) => i % 23 === 0)) {
      for (const [actual, expected] of (await bothMatches(`(?i:${regex})`, [all])) ?? []) {
        expect(actual).toEqual(expected);
      }
    }
  });

  test("10,000 pairs of any patterns and texts", { timeout: 60_000 }, async () => {
    let known = 0;
    await fc.assert(
      fc.asyncProperty(
        pattern.chain((regex) =>
          fc.tuple(fc.constant(regex), fc.array(cased(regex), { minLength: 25, maxLength: 25 })),
        ),
        async ([regex, texts]) => {
          const both = await bothMatches(`(?i:${regex})`, texts);
          if (both !== null) known++;
          for (const [actual, expected] of both ?? []) expect(actual).toEqual(expected);
        },
      ),
      { numRuns: 400, seed: 7 },
    );
    expect(known).toBeGreaterThan(200);
  });
});

test("every character with cases is looked at", () => {
  const folding = new CaseFolding();
  for (let code = 0; code < 0x11_0000; code++) {
    const character = String.fromCodePoint(code);
    if (!/[\p{Changes_When_Casemapped}\p{Changes_When_Casefolded}]/u.test(character)) continue;
    expect(folding.casedBetween(character, character)).toEqual([character]);
  }
});

test("where the last match ended is where the native package has it", async () => {
  const patterns = [
    "\\Ga",
    "\\Ga?",
    "(?:\\Ga|c)",
    "\\Ga|\\s",
    "(?=\\Ga)\\w",
    "(?!\\G)a",
    "(?!\\G)",
    "\\G",
  ];
  const more = [
    "a|\\Gb",
    "^\\G|b",
    "\\b\\G(?:a+|b)",
    "(?<!b)\\Ga",
    "(\\Ga|\\Gb)c",
    "(?>\\G)\\w\\w",
  ];
  const texts = fc.sample(
    fc.array(fc.constantFrom("a", "a", "b", "c", " ", "😀"), { maxLength: 12 }),
    { numRuns: 200, seed: 7 },
  );
  for (const regex of [...patterns, ...more]) {
    const both = await bothMatches(
      regex,
      texts.map((each) => each.join("")),
    );
    for (const [actual, expected] of both!) expect(actual).toEqual(expected);
  }
});
