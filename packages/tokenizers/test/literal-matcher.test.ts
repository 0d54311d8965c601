import fc from "fast-check";
import { expect, test } from "vitest";
import { LiteralMatcher } from "../src/literal-matcher.ts";

/** At each place in turn, the longest literal that starts there. */
function findNaively(literals: readonly string[], text: string): [number, number][] {
  const hits: [number, number][] = [];
  for (let at = 0; at < text.length;) {
    let longest = -1;
    literals.forEach((literal, i) => {
      const isLonger = longest < 0 || literal.length > literals[longest]!.length;
      if (literal !== "" && isLonger && text.startsWith(literal, at)) longest = i;
    });
    if (longest < 0) {
      at++;
    } else {
      hits.push([longest, at]);
      at += literals[longest]!.length;
    }
  }
  return hits;
}

test("finds what a search from each place finds", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "é"), maxLength: 6 });
  const text = fc.string({ unit: fc.constantFrom("a", "b", "é", "c"), maxLength: 60 });
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), text, (literals, haystack) => {
      const hits = new LiteralMatcher(literals).find(haystack);
      const expected = findNaively(literals, haystack);
      expect(hits.map(({ literal, start }) => [literal, start])).toEqual(expected);
    }),
    { numRuns: 2000 },
  );
});
