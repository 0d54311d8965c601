import { GPT2_RULES, type WordRules } from "../pre-tokenizers/word-scanner.ts";
import type { PatternDialect } from "./pattern-cursor.ts";

const CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
const TAIL = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const LLAMA3 = `${CONTRACTION}\\p{N}{1,3}${TAIL}`;
const QWEN2 = `${CONTRACTION}\\p{N}${TAIL}`;
const CL100K =
  "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+|" +
  " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s";
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const R50K =
  "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s";

const O200K_HEAD = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const O200K_TAIL = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const O200K =
  `${O200K_HEAD}*${O200K_TAIL}+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
  `${O200K_HEAD}+${O200K_TAIL}*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
  "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const LLAMA3_RULES: WordRules = {
  cased: false,
  anyCase: true,
  anyLead: true,
  digits: 3,
  spaceBeforeDigits: false,
  lineEnds: true,
  wholeTail: false,
};

/** Patterns that a scanner replaces, as published, with the dialect where it matters. */
export const WELL_KNOWN_PATTERNS: readonly {
  readonly pattern: string;
  readonly dialect: PatternDialect | null;
  readonly rules: WordRules;
}[] = [
  { pattern: LLAMA3, dialect: null, rules: LLAMA3_RULES },
  { pattern: QWEN2, dialect: null, rules: { ...LLAMA3_RULES, digits: 1 } },
  { pattern: CL100K, dialect: "fancy", rules: { ...LLAMA3_RULES, wholeTail: true } },
  { pattern: O200K, dialect: null, rules: { ...LLAMA3_RULES, cased: true } },
  { pattern: GPT2, dialect: null, rules: GPT2_RULES },
  { pattern: R50K, dialect: "fancy", rules: GPT2_RULES },
];

/** The rules that find the same as a pattern does; null for any but a few well-known ones. */
export function wellKnownRules(pattern: string, dialect: PatternDialect): WordRules | null {
  const known = WELL_KNOWN_PATTERNS.find(
    (each) => each.pattern === pattern && (each.dialect ?? dialect) === dialect,
  );
  return known?.rules ?? null;
}
