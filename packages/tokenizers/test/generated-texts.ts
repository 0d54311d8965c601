import { readFileSync } from "node:fs";
import fc from "fast-check";
import { mixedText } from "./hard-texts.ts";

/** What is meant to differ from the reference, and why. */
export const divergences = JSON.parse(
  readFileSync(new URL("oracles/divergences.json", import.meta.url), "utf8"),
) as {
  readonly unicode17: { readonly ranges: readonly string[] };
  readonly overflow: {
    readonly text: string;
    readonly truncation: object;
    readonly reference: number;
    readonly ours: number;
  };
  readonly spelling: Spelled;
  readonly control: Spelled;
  readonly clusters: Spelled;
  readonly ties: Spelled;
  readonly sequences: {
    readonly text: string;
    readonly reference: readonly number[];
    readonly ours: readonly number[];
  };
  readonly patterns: { readonly refused: readonly string[] };
  readonly affixes: {
    readonly text: string;
    readonly reference: readonly (number | null)[];
    readonly ours: readonly number[];
  };
};

/** A text whose tokens differ. */
interface Spelled {
  readonly text: string;
  readonly reference: readonly string[];
  readonly ours: readonly string[];
}

/** Matches a character that the reference does not know as we do. */
export const newCharacter = new RegExp(
  `[${divergences.unicode17.ranges
    .map((range) => range.replace(/[0-9a-f]+/gu, (code) => `\\u{${code}}`))
    .join("")}]`,
  "gu",
);

const wide = [
  fc.integer({ min: 0x80, max: 0x2fff }),
  fc.integer({ min: 0x3000, max: 0xd7ff }),
  fc.integer({ min: 0xe000, max: 0xffff }),
  fc.integer({ min: 0x10000, max: 0x1ffff }),
  fc.integer({ min: 0x20000, max: 0x33fff }),
].map((range) => range.map((code) => String.fromCodePoint(code)));

const marks = [
  "▁",
  "##",
  "</w>",
  "<0x41>",
  "ﬁ",
  "½",
  "Å",
  "ΟΔΟΣ",
  "İ",
  "\u0344",
  "don't",
  " do not",
  ".",
];

/** Reproducible texts of all of Unicode, with `extra` glued into them. */
export function generateTexts(count: number, extra: readonly string[]): string[] {
  const part = fc.oneof(
    { weight: 3, arbitrary: mixedText([...extra, ...marks]) },
    { weight: 1, arbitrary: fc.oneof(...wide) },
  );
  const text = fc.array(part, { maxLength: 4 }).map((parts) => parts.join(""));
  return fc
    .sample(text, { numRuns: count, seed: 2024 })
    .map((each) => each.replace(newCharacter, "x"));
}
