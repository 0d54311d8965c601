import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";
import { translatePattern } from "../src/formats/oniguruma.ts";
import { PatternMatcher } from "../src/pre-tokenizers/pattern-matcher.ts";

/** All matches, as strings. */
function matches(pattern: string, text: string): string[] {
  const { source, flag, ahead } = translatePattern(pattern, "pattern");
  const found: string[] = [];
  new PatternMatcher(source, flag, null, ahead).each(text, (start, end) =>
    found.push(text.slice(start, end)),
  );
  return found;
}

describe("what looks alike and means something else", () => {
  test.each<[name: string, pattern: string, text: string, expected: string[]]>([
    ["white space has NEL and not U+FEFF", "\\s", "\u0085\ufeff\u3000", ["\u0085", "\u3000"]],
    ["its complement, in a class too", "[^\\S]|\\S+", "a\u0085\ufeff", ["a", "\u0085", "\ufeff"]],
    ["digits of all scripts", "\\d+", "12٣٤½", ["12٣٤"]],
    ["words outside a class", "\\w+", "a²_é漢-b", ["a²_é漢", "b"]],
    ["words inside a class", "[\\w]+", "a²b", ["a", "b"]],
    ["a boundary", "\\b", "ab c", ["", "", "", ""]],
    ["the dot stops at line feeds only", ".+", "a\rb\u2028c\nd", ["a\rb\u2028c", "d"]],
    ["anchors know line feeds only", "^.|.$", "ab\ncd\ref", ["a", "b", "c", "f"]],
    ["absolute anchors", "\\A.|.\\z", "ab\ncd", ["a", "d"]],
    ["hexadecimal digits", "\\h+", "xBeefx", ["Beef"]],
    ["braces after a count repeat", "a{1,2}+", "aaaaa", ["aaaaa"]],
    ["a question mark after a count too", "a{2}?", "aaa", ["aa", ""]],
    ["an open lower count", "a{,2}", "aaa", ["aa", "a"]],
    ["possessive", "a++a|b", "aaab", ["b"]],
    ["atomic", "(?>a+)b", "aab", ["aab"]],
    ["case, with the long s", "(?i:'s|k)", "'S'ſK\u212a", ["'S", "'ſ", "K", "\u212a"]],
    ["case in classes", "(?i:[^a-c]+)", "abBdD", ["dD"]],
    ["case beyond ASCII", "(?i:éσ)", "éς ÉΣ Éσ", ["éς", "ÉΣ", "Éσ"]],
    ["case in ranges beyond ASCII", "(?i:[à-ê])+", "éÈÀô", ["éÈÀ"]],
    ["several letters that equal one", "(?i:maß|fin)", "MASS maẞ ﬁN", ["MASS", "maẞ", "ﬁN"]],
    ["but not where a quantifier parts them", "(?i:ss+)", "ß ssS", ["ssS"]],
    ["classes outside brackets keep their case", "(?i:\\p{Lu}x)", "AX ax", ["AX"]],
    ["where the last match ended", "\\Ga|c\\w", "aabcaa", ["a", "a", "ca", "a"]],
    ["not where the last match ended", "(?!\\G)a", "aaa", ["a"]],
    ["brackets with names", "[[:punct:][:^word:]]x", "$x", ["$x"]],
    ["symbols are not punctuation as a property", "\\p{Punct}", "$!", ["!"]],
    ["negated properties", "\\p{^L}|\\P{^N}", "a1-", ["1", "-"]],
    ["scripts without a prefix", "\\p{Han}+", "漢字かな", ["漢字"]],
    ["intersections", "[\\p{L}&&[^\\p{Han}]]+", "ab漢cd", ["ab", "cd"]],
    ["nested classes", "[a[bc]]+", "abcd", ["abc"]],
    ["raw brackets and braces", "]|{|}", "]{}", ["]", "{", "}"]],
    ["needless backslashes", '\\-\\#\\"\\ ', '-#" ', ['-#" ']],
    ["code points by number", "\\x{1F600}|\\x41|[\\102]", "😀AB", ["😀", "A", "B"]],
    ["comments", "a(?#not this)b", "ab", ["ab"]],
    ["captures", "(a)(?<name>b)", "ab", ["ab"]],
    ["back-references", "(.)\\1+|([ab])x(?:\\2|c)?", "aaaxbxb", ["aaa", "bxb"]],
    ["back-references to a nested group", "((a|b)\\2)\\1", "aabbbb", ["bbbb"]],
  ])("%s", (_, pattern, text, expected) => {
    expect(matches(pattern, text)).toEqual(expected);
  });
});

test("empty matches cut without taking anything", () => {
  expect(matches("x*", "abxc")).toEqual(["", "", "x", ""]);
  expect(matches("", "a😀")).toEqual(["", "", ""]);
});

test.each([
  ["(a)|\\1", "a back-reference at offset 4"],
  ["(a)?\\1", "a back-reference at offset 4"],
  ["(a\\1)", "a back-reference at offset 2"],
  ["((a)|b)\\2", "a back-reference at offset 7"],
  ["(?<=(a))(b)\\2", "a back-reference at offset 11"],
  ["(?i:(a)\\1)", "a back-reference at offset 7"],
  ["a\\G", '"\\G" behind what a match has read at offset 1'],
  ["(?<=\\Ga)b", '"\\G" behind what a match has read at offset 4'],
  ["(?:\\Ga)+", '"\\G" in a repetition at offset 0'],
  ["a\\X", '"\\X" at offset 1'],
  ["\\K", '"\\K" at offset 0'],
  ["(?i)a", '"(?i" at offset 0'],
  ["(?m:a)", '"(?m" at offset 0'],
  ["(?i:sss)", '"ss" regardless of case'],
  ["(?i:ﬃ)", '"ffi" regardless of case'],
  ["(?i:(?:s)s)", '"ss" regardless of case at offset 9'],
  ["(?i:s(?:s))", '"ss" regardless of case at offset 8'],
  ["(?<=(?i:ss))a", '"ss" regardless of case'],
  ["(?i:[a-ß])", '"ß" in a class regardless of case at offset 5'],
  ["(?i:[\\p{L}])", "a class regardless of case at offset 5"],
  ["\\p{Nonsense}", '"\\p{Nonsense}" at offset 0'],
  ["[[:print:]]", '"[:print:]"'],
  ["a(b", "an unmatched parenthesis at offset 1"],
  ["a)b", "an unmatched parenthesis at offset 1"],
  ["[ab", "an unmatched bracket at offset 0"],
  ["+", "a quantifier with nothing before it at offset 0"],
  ["a{3,2}", '"{3,2}"'],
  ["[b-a]", "a range that runs backwards"],
  ["\\", "an unfinished construct at offset 1"],
  ["(".repeat(10_000), "such deep nesting"],
])("refuses %s", (pattern, message) => {
  const refusal = ((): unknown => {
    try {
      return translatePattern(pattern, "place");
    } catch (error) {
      return error;
    }
  })();
  expect(InferenceError.is(refusal, "unsupported")).toBe(true);
  expect((refusal as Error).message).toContain(message);
});
