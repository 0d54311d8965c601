import { asciiFoldings, isPlain } from "./case-folding.ts";
import type { PatternCursor } from "./pattern-cursor.ts";

/** What a backslash introduces. */
export interface ClassEscape {
  /** What stands for it between brackets. */
  readonly body: string;
  /** The single character it means, or null for a class. */
  readonly character: string | null;
  /** Whether ignoring case would change nothing. */
  readonly caseless: boolean;
}

/** Translates a bracket expression; the cursor stands at its opening bracket. */
export function parseClass(cursor: PatternCursor, ignoreCase: boolean): string {
  const start = cursor.at;
  cursor.next();
  cursor.enter(start);
  const negated = cursor.take("^");
  const operands: string[] = [];
  let items = "";
  for (let first = true; first || !cursor.take("]"); first = false) {
    if (cursor.take("&&")) {
      operands.push(items);
      items = "";
    } else {
      items += parseItem(cursor, start, ignoreCase);
    }
  }
  cursor.leave();
  if (operands.length > 0) {
    cursor.needsSets = true;
    operands.push(items);
    items = operands.map((operand) => `[${operand}]`).join("&&");
  }
  return `[${negated ? "^" : ""}${items}]`;
}

/** A character, a range, an escape, a named class or a nested one. */
function parseItem(cursor: PatternCursor, start: number, ignoreCase: boolean): string {
  if (cursor.isDone) cursor.refuse("an unmatched bracket", start);
  const named = cursor.takeMatch(/\[:(\^?)(\w+):\]/y);
  if (named !== null) {
    const property = POSIX.get(named[2]!);
    if (property === undefined || ignoreCase || cursor.isFancy)
      return cursor.refuse(`"${named[0]}"`, start);
    return negateIf(cursor, named[1] === "^", property);
  }
  if (cursor.sees("[")) {
    cursor.needsSets = true;
    return parseClass(cursor, ignoreCase);
  }
  const at = cursor.at;
  const low = parseMember(cursor);
  if (ignoreCase && low.character === null && !low.caseless) {
    cursor.refuse("a class regardless of case", at);
  }
  const beforeDash = cursor.at;
  const folds = (body: string, last: string): string =>
    ignoreCase ? body + otherCases(cursor, low.character!, last, at) : body;
  if (low.character === null) return low.body;
  if (!cursor.take("-")) return folds(low.body, low.character);
  if (cursor.sees("]") || cursor.sees("[") || cursor.sees("&&")) {
    cursor.at = beforeDash;
    return folds(low.body, low.character);
  }
  const high = parseMember(cursor);
  if (high.character === null) {
    if (ignoreCase && !high.caseless) cursor.refuse("a class regardless of case", at);
    return folds(low.body, low.character) + cursor.literal("-") + high.body;
  }
  if (high.character.codePointAt(0)! < low.character.codePointAt(0)!) {
    cursor.refuse("a range that runs backwards", beforeDash);
  }
  return folds(`${low.body}-${high.body}`, high.character);
}

/** What a range gains when case does not matter. Characters that equal several are refused. */
function otherCases(cursor: PatternCursor, low: string, high: string, start: number): string {
  const found: string[] = [];
  if (isPlain(high)) {
    for (let code = low.codePointAt(0)!; code <= high.codePointAt(0)!; code++) {
      found.push(...asciiFoldings(String.fromCodePoint(code)).slice(1));
    }
  } else {
    for (const character of cursor.folding.casedBetween(low, high)) {
      if (!cursor.isFancy && cursor.folding.fold(character).length > 1) {
        cursor.refuse(`"${character}" in a class regardless of case`, start);
      }
      found.push(...cursor.folding.equalsOf(character).slice(1));
    }
  }
  return found.map((each) => cursor.literal(each)).join("");
}

function parseMember(cursor: PatternCursor): ClassEscape {
  const start = cursor.at;
  if (cursor.take("\\")) return parseClassEscape(cursor, start, true);
  return single(cursor, cursor.next());
}

/** What follows a backslash; `start` is where the backslash stands. */
export function parseClassEscape(
  cursor: PatternCursor,
  start: number,
  insideClass: boolean,
): ClassEscape {
  const code = cursor.takeMatch(/x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})/y);
  if (code !== null) {
    return codePoint(cursor, parseInt(code[1] ?? code[2] ?? code[3]!, 16), start);
  }
  const octal = cursor.takeMatch(insideClass ? /[0-7]{1,3}/y : /0[0-7]{0,2}/y);
  if (octal !== null) return codePoint(cursor, parseInt(octal[0], 8), start);
  const major = cursor.isFancy ? cursor.takeMatch(/([pP])([CLMNPSZ])/y) : null;
  if (major !== null)
    return { body: `\\${major[1]}{${major[2]}}`, character: null, caseless: false };
  const property = cursor.takeMatch(/([pP])\{(\^?)([^{}]+)\}/y);
  if (property !== null) {
    const negated = (property[1] === "P") !== (property[2] === "^");
    const body = findProperty(property[3]!) ?? cursor.refuse(`"\\${property[0]}"`, start);
    return { body: negateIf(cursor, negated, body), character: null, caseless: false };
  }
  const letter = cursor.next();
  const shorthand = SHORTHANDS.get(letter.toLowerCase());
  if (shorthand !== undefined) {
    const joiners = cursor.isFancy && /w/i.test(letter) ? "\\p{Join_Control}" : "";
    const body = negateIf(cursor, letter !== letter.toLowerCase(), shorthand + joiners);
    return { body, character: null, caseless: /[sd]/i.test(letter) };
  }
  const control = CONTROLS.get(letter);
  if (control !== undefined && (letter !== "b" || insideClass)) return single(cursor, control);
  if (/[A-Za-z0-9]/.test(letter)) cursor.refuse(`"\\${letter}"`, start);
  return single(cursor, letter);
}

function codePoint(cursor: PatternCursor, code: number, start: number): ClassEscape {
  if (code > 0x10ffff) cursor.refuse("a code point beyond Unicode", start);
  return single(cursor, String.fromCodePoint(code));
}

function single(cursor: PatternCursor, character: string): ClassEscape {
  return { body: cursor.literal(character), character, caseless: false };
}

/** The complement of the members of a class, as a member. */
function negateIf(cursor: PatternCursor, negated: boolean, body: string): string {
  if (!negated) return body;
  if (/^\\p\{[^{}]+\}$/.test(body)) return body.replace("p", "P");
  cursor.needsSets = true;
  return `[^${body}]`;
}

const SHORTHANDS: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  ["s", "\\p{White_Space}"],
  ["d", "\\p{Nd}"],
  ["w", "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"],
  ["h", "0-9A-Fa-f"],
]);

const CONTROLS: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  ["t", "\t"],
  ["n", "\n"],
  ["r", "\r"],
  ["f", "\f"],
  ["v", "\v"],
  ["a", "\x07"],
  ["e", "\x1b"],
  ["b", "\b"],
]);

const POSIX: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  ["alpha", "\\p{Alphabetic}"],
  ["alnum", "\\p{Alphabetic}\\p{Nd}"],
  ["blank", "\\p{Zs}\\u{9}"],
  ["cntrl", "\\p{Cc}"],
  ["digit", "\\p{Nd}"],
  ["lower", "\\p{Lowercase}"],
  ["punct", "\\p{P}\\p{S}"],
  ["space", "\\p{White_Space}"],
  ["upper", "\\p{Uppercase}"],
  ["word", "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"],
  ["xdigit", "0-9A-Fa-f"],
]);

/**
 * Members for a property name, or undefined. Oniguruma ignores case, spaces, hyphens and underscores
 * in names and needs no `Script=`.
 */
function findProperty(name: string): string | undefined {
  const plain = name.toLowerCase().replace(/[\s_-]/g, "");
  // The property differs from the bracket expression of the same name: no symbols.
  if (plain === "punct") return "\\p{P}";
  const posix = POSIX.get(plain);
  if (posix !== undefined) return posix;
  const words = name
    .trim()
    .toLowerCase()
    .split(/[\s_-]+/);
  const title = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("_");
  return [`\\p{${title}}`, `\\p{Script=${title}}`].find(isPattern);
}

function isPattern(source: string): boolean {
  try {
    return new RegExp(source, "u").source !== "";
  } catch {
    return false;
  }
}
