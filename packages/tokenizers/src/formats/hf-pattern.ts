import { PatternMatcher } from "../pre-tokenizers/pattern-matcher.ts";
import type { JsonReader } from "./json-reader.ts";
import { translatePattern } from "./oniguruma.ts";
import { wellKnownRules } from "./well-known-patterns.ts";

/** Reads a pattern, `{ "String": … }` or `{ "Regex": … }`. */
export function readPattern(pattern: JsonReader): PatternMatcher {
  const literal = pattern.member("String");
  const regex = pattern.member("Regex");
  if (literal.isAbsent === regex.isAbsent) pattern.fail('either "String" or "Regex"');
  if (regex.isAbsent) return new PatternMatcher(escapeLiteral(literal.string()), "u");
  const { source, flag, ahead } = translatePattern(regex.string(), regex.place);
  return new PatternMatcher(source, flag, wellKnownRules(regex.string(), "oniguruma"), ahead);
}

/** A pattern that matches a text and nothing else. */
export function escapeLiteral(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
}

/** Reads a string of one code point. */
export function readCharacter(reader: JsonReader): string {
  const text = reader.string();
  return /^[^]$/u.test(text) ? text : reader.fail("one character");
}

/** Reads the mark of a Metaspace part and where it is put in front. */
export function readMetaspace(reader: JsonReader): {
  mark: string;
  scheme: "always" | "first" | "never";
} {
  const mark = readCharacter(reader.member("replacement"));
  const given = reader.member("prepend_scheme");
  const scheme = given.isAbsent ? "always" : given.choice(["always", "first", "never"] as const);
  const legacy = reader.member("add_prefix_space");
  if (legacy.boolean(true)) return { mark, scheme };
  if (scheme !== "never") legacy.fail(`true beside the scheme "${scheme}"`);
  return { mark, scheme };
}
