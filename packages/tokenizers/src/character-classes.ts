/** Whether a UTF-16 unit has the Unicode property White_Space; all 25 such characters are one unit. */
export function isWhiteSpace(unit: number): boolean {
  if (unit < 0x80) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
  return (
    unit === 0x85 ||
    unit === 0xa0 ||
    unit === 0x1680 ||
    (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f ||
    unit === 0x3000
  );
}

/** Whether a character belongs to a word, by the class `\w` of Unicode regular expressions. */
export function isWordCharacter(codePoint: number): boolean {
  return /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u.test(String.fromCodePoint(codePoint));
}

/** The code point that ends right before `at`, which is at least 1. */
export function codePointBefore(text: string, at: number): number {
  const unit = text.charCodeAt(at - 1);
  const isLow = unit >= 0xdc00 && unit <= 0xdfff;
  return isLow && at >= 2 ? text.codePointAt(at - 2)! : unit;
}

/**
 * Replaces each lone surrogate by U+FFFD, which is what a program that speaks UTF-8 would receive.
 * The length in UTF-16 units stays, so offsets into the result are offsets into `text`.
 */
export function toWellFormed(text: string): string {
  return /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, "\ufffd") : text;
}
