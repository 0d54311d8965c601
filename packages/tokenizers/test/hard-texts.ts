import fc from "fast-check";

/** Texts that have broken tokenizers before. */
export const hardTexts: readonly string[] = [
  "",
  " ",
  "   ",
  "\n",
  "\r\n\r\n",
  " \n \t \r\n  x",
  "a\u0085b\u00a0c\u2003d\u3000e\ufefff\u200bg",
  "Hello, world! It's 2024; we'll've DON'T o'clock 's 'S",
  "1234567 ½ Ⅷ ٣٤٥ ४५६ 3.14e-10",
  "  leading and trailing  ",
  "tabs\t\there\t",
  "漢字かなカナ한글 ไทย नमस्ते עברית العربية",
  "é e\u0301 e\u0323\u0302 \u0302\u0323 Å\u212b \uac01 \u1100\u1161\u11a8 \u0344 q\u0307\u0323",
  "👍🏽 👩‍👩‍👧‍👦 🇫🇷🇩🇪 ❤️ 😀😀",
  "\ud800", // lone surrogates, at either side and glued together
  "a\udc00b\ud83d",
  "\udc00\ud800",
  "\0\x01\x7f\x80\x9f\uffff\ufffe\u{10ffff}",
  "<|end|>",
  "x<|end|>y<|end|><|user|>\n<|assistant|>",
  "<|end|",
  "<|end|><|endoftext|>|>",
  "<|en<|end|>d|>",
  "a".repeat(500),
  "ab".repeat(300),
  " ".repeat(300),
  "\n".repeat(77),
  "漢".repeat(200),
  "😀".repeat(120),
  "e\u0301".repeat(100),
  `a${"\u0301\u0323\u0302".repeat(40)}b`,
  "function f(x) {\n\treturn x?.y ?? `${z}`; // €uro\n}\n",
  "https://example.com/path?q=1&r=%20#frag",
  "ﬁ ﬀ ß ẞ İ ı ſ K",
  "\u0915\u094d\u0937\u093f \u0e01\u0e33 \u1ea5\u0301",
];

// Letters of Unicode 17, which the reference, at Unicode 16, does not know yet.
const newLetters: ReadonlySet<number> = new Set([0xc5c, 0xcdc]);

const scripts = [
  fc.integer({ min: 0x20, max: 0x7e }),
  fc.integer({ min: 0x00, max: 0xff }),
  fc.integer({ min: 0x300, max: 0x36f }),
  fc.integer({ min: 0x370, max: 0x6ff }),
  fc.integer({ min: 0x900, max: 0xeff }),
  fc.integer({ min: 0x1100, max: 0x11ff }),
  fc.integer({ min: 0x1e00, max: 0x206f }),
  fc.integer({ min: 0x3040, max: 0x30ff }),
  fc.integer({ min: 0x4e00, max: 0x4eff }),
  fc.integer({ min: 0xac00, max: 0xacff }),
  fc.integer({ min: 0x1f300, max: 0x1f6ff }),
].map((range) =>
  range.filter((code) => !newLetters.has(code)).map((code) => String.fromCodePoint(code)),
);

const pieces = fc.oneof(
  { weight: 6, arbitrary: fc.oneof(...scripts) },
  { weight: 2, arbitrary: fc.constantFrom("the", " and", " Hello", "'s", "'LL", " 12345", "ing ") },
  { weight: 2, arbitrary: fc.constantFrom(" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000") },
  { weight: 1, arbitrary: fc.constantFrom("\u200d", "\ufe0f", "🏽", "\ufeff", "\0", "\u0085") },
  { weight: 1, arbitrary: fc.constantFrom("\ud800", "\udbff", "\udc00", "\udfff") },
  {
    weight: 1,
    arbitrary: fc.constantFrom("é", "e\u0301", "각", "\u1100\u1161\u11a8", "a\u0323\u0302"),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("a".repeat(40), " ".repeat(33), "=".repeat(50), "漢".repeat(35)),
  },
);

/** Texts of many scripts, with marks, joiners, lone surrogates, controls, runs and `extra` in them. */
export function mixedText(extra: readonly string[]): fc.Arbitrary<string> {
  const part =
    extra.length === 0
      ? pieces
      : fc.oneof(
          { weight: 5, arbitrary: pieces },
          { weight: 1, arbitrary: fc.constantFrom(...extra) },
        );
  return fc.array(part, { maxLength: 24 }).map((parts) => parts.join(""));
}
