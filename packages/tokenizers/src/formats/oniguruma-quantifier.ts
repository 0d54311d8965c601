import type { PatternCursor } from "./pattern-cursor.ts";

/** Whether a quantifier follows. */
export function seesQuantifier(cursor: PatternCursor): boolean {
  const { at } = cursor;
  const found = cursor.takeMatch(/[*+?]|\{(?:\d+,?\d*|,\d+)\}/y) !== null;
  cursor.at = at;
  return found;
}

/** All quantifiers that follow an atom; each further one repeats what came before it. */
export function parseQuantifiers(cursor: PatternCursor, atom: string): string {
  let out = atom;
  for (let repeated = false; ; repeated = true) {
    const quantifier = parseQuantifier(cursor);
    if (quantifier === null) return out;
    if (out === "") cursor.refuse("a quantifier with nothing before it", cursor.at);
    out = repeated ? `(?:${out})${quantifier.text}` : `${out}${quantifier.text}`;
    if (quantifier.possessive) out = cursor.atomic(out);
  }
}

function parseQuantifier(cursor: PatternCursor): { text: string; possessive: boolean } | null {
  const start = cursor.at;
  const simple = cursor.takeMatch(/[*+?]/y);
  if (simple !== null) {
    if (cursor.take("?")) return { text: `${simple[0]}?`, possessive: false };
    return { text: simple[0], possessive: cursor.take("+") };
  }
  const counted = cursor.takeMatch(/\{(?:(\d+)(,?)(\d*)|,(\d+))\}/y);
  if (counted === null) return null;
  const least = counted[1] ?? "0";
  const comma = counted[1] === undefined ? "," : counted[2]!;
  const most = counted[4] ?? counted[3]!;
  if (most !== "" && Number(most) < Number(least)) cursor.refuse(`"${counted[0]}"`, start);
  const text = `{${least}${comma}${most}}`;
  if (cursor.isFancy) {
    if (cursor.take("?")) return { text: `${text}?`, possessive: false };
    return { text, possessive: cursor.take("+") };
  }
  // Here a plus means repetition, and so does a question mark after a fixed count.
  const lazy = comma !== "" && cursor.take("?");
  return { text: lazy ? `${text}?` : text, possessive: false };
}
