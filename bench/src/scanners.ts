import { createTokenizer, type Tokenizer } from "@frugal/tokenizers";

import { median, type Table } from "./results.ts";
import type { Effort } from "./step-cost.ts";
import { readTexts } from "./tokenize.ts";

const TAIL = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const LLAMA3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" + TAIL;
const HEAD = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const SUFFIX = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";

/** Patterns that a scanner replaces, by the model that they are known from. */
const PATTERNS: Readonly<Record<string, string>> = {
  "GPT-2": "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "Llama 3": LLAMA3,
  "Qwen 2": LLAMA3.replace("{1,3}", ""),
  o200k_base:
    `${HEAD}*${LOWER}+${SUFFIX}|${HEAD}+${LOWER}*${SUFFIX}|\\p{N}{1,3}` +
    TAIL.replace("\\n]*", "\\n/]*"),
};

/** Megabytes of text cut per second: by the scanner for a pattern, and by the engine's expression. */
export async function measureScanners(effort: Effort): Promise<Table[]> {
  const texts = await readTexts();
  const rows = Object.entries(PATTERNS).flatMap(([name, pattern]) =>
    texts.map(([title, text]) => measure(name, pattern, title, text, effort)),
  );
  const notes = [
    "Megabytes of UTF-8 per second, median; `ratio` of the two, interleaved in one run.",
    "`scanner`: the pattern to the letter. `expression`: the same in a group, for which none is kept.",
    "Both cut alike, which is checked first, and look each piece up in a vocabulary of one word.",
  ];
  return [{ title: "Cut", notes, rows }];
}

function measure(
  name: string,
  pattern: string,
  title: string,
  text: string,
  { repetitions }: Effort,
): Table["rows"][number] {
  const sides = { scanner: cutBy(pattern), expression: cutBy(`(?:${pattern})`) };
  const cut = (side: Tokenizer): string => side.encode(text, { offsets: true }).offsets.join();
  if (cut(sides.scanner) !== cut(sides.expression)) {
    throw new Error(`${name}, ${title}: the scanner cuts elsewhere than the expression`);
  }
  const megabytes = Buffer.byteLength(text) / 1e6;
  const speeds = { scanner: [] as number[], expression: [] as number[] };
  for (let i = -1; i < Math.min(15, repetitions); i++) {
    for (const side of ["scanner", "expression"] as const) {
      const start = performance.now();
      void sides[side].encode(text).ids;
      const seconds = (performance.now() - start) / 1000;
      if (i >= 0) speeds[side].push(megabytes / seconds);
    }
  }
  const [scanner, expression] = [median(speeds.scanner), median(speeds.expression)];
  return { pattern: name, text: title, scanner, expression, ratio: scanner / expression };
}

/** A tokenizer that does little more than cut. */
function cutBy(pattern: string): Tokenizer {
  return createTokenizer({
    version: "1.0",
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: pattern },
      behavior: "Isolated",
      invert: false,
    },
    model: { type: "WordLevel", vocab: { "<unk>": 0 }, unk_token: "<unk>" },
  });
}
