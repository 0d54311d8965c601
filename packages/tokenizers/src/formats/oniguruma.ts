import { foldings, parseClass, parseClassEscape } from "./oniguruma-class.ts";
import { PatternCursor, type PatternDialect } from "./pattern-cursor.ts";

/** A pattern in JavaScript's dialect. */
export interface TranslatedPattern {
  readonly source: string;
  /** `v` where sets are nested or intersected, else `u`. */
  readonly flag: "u" | "v";
}

/**
 * Translates a pattern from the dialect of tokenizer files, Oniguruma's Ruby syntax, to JavaScript.
 *
 * The two look alike and differ in what they mean: `\s`, `\w`, `\b`, `.`, `^` and `$`, the fate of
 * `X{1,3}+`, case folding, and which characters need a backslash. Everything is parsed and written
 * anew, so that nothing is passed through that was not understood. Groups capture nothing but for
 * back-references, because splitting asks for no captures.
 *
 * With `dialect` "fancy", that of tiktoken's files, `X{1,3}+` is possessive, anchors are those of the
 * whole text, words include the joiners, and case folds to single characters only.
 *
 * Letters are those of the engine's Unicode version; Oniguruma's is Unicode 16.
 *
 * @throws {@link InferenceError} `unsupported`, with the construct and its offset: back-references
 *   but to a group before them in the same sequence, `\G`, `\X`, `\K`, conditionals, flags other than a group's `i`, case-insensitive groups with
 *   letters or classes beyond ASCII, and anything malformed.
 * @see Oniguruma, doc/RE; measured against huggingface/tokenizers 0.23.2
 */
export function translatePattern(
  pattern: string,
  place: string,
  dialect: PatternDialect = "oniguruma",
): TranslatedPattern {
  const cursor = new PatternCursor(pattern, place, dialect);
  const source = parseAlternatives(cursor, false);
  if (!cursor.isDone) cursor.refuse("an unmatched parenthesis", cursor.at);
  const flag = cursor.needsSets ? "v" : "u";
  try {
    // An engine of an older standard may lack what the translation relies on.
    new RegExp(source, flag).test("");
  } catch (cause) {
    cursor.refuse("a construct this engine has no equal for", 0, cause);
  }
  return { source, flag };
}

/** Up to the end or an unmatched closing parenthesis. */
function parseAlternatives(cursor: PatternCursor, ignoreCase: boolean): string {
  let out = parseSequence(cursor, ignoreCase);
  while (cursor.take("|")) out += `|${parseSequence(cursor, ignoreCase)}`;
  return out;
}

function parseSequence(cursor: PatternCursor, ignoreCase: boolean): string {
  let out = "";
  let lastLetter = "";
  const matchedBefore = new Set(cursor.matched);
  while (!cursor.isDone && !cursor.sees("|") && !cursor.sees(")")) {
    const start = cursor.at;
    const letter = ignoreCase && /[A-Za-z]/.test(cursor.peek()) ? cursor.peek().toLowerCase() : "";
    // ß, ﬁ and their kin each fold to two letters; a class of single characters cannot say so.
    const pair = lastLetter + letter;
    if (!cursor.isFancy && ["ss", "st", "ff", "fi", "fl"].includes(pair)) {
      cursor.refuse(`"${pair}" regardless of case`, start);
    }
    const atom = parseAtom(cursor, ignoreCase);
    const group = /^\(\?<g(?<number>\d)>/u.exec(atom)?.groups!["number"];
    const repeated = parseQuantifiers(cursor, atom);
    if (group !== undefined && repeated === atom) cursor.matched.add(Number(group));
    out += repeated;
    lastLetter = letter;
  }
  for (const group of cursor.matched) if (!matchedBefore.has(group)) cursor.matched.delete(group);
  return out;
}

/** One atom, written so that a quantifier can follow. */
function parseAtom(cursor: PatternCursor, ignoreCase: boolean): string {
  const start = cursor.at;
  const simple = (cursor.isFancy ? FANCY_ANCHORS : ANCHORS).get(cursor.peek());
  if (simple !== undefined) {
    cursor.next();
    return simple;
  }
  if (cursor.take("(")) return parseGroup(cursor, ignoreCase, start);
  if (cursor.sees("[")) return parseClass(cursor, ignoreCase);
  if (cursor.take("\\")) return parseEscape(cursor, ignoreCase, start);
  if (/[*+?]/.test(cursor.peek())) cursor.refuse("a quantifier with nothing before it", start);
  return writeLetter(cursor, cursor.next(), ignoreCase, start);
}

/** Anchors know one line end, the line feed, whatever the flags; so does the dot. */
const ANCHORS: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  [".", "[^\\n]"],
  ["^", "(?:(?<![^])|(?<=\\n)(?=[^]))"],
  ["$", "(?:(?![^\\n]))"],
]);

const FANCY_ANCHORS: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  [".", "[^\\n]"],
  ["^", "(?:(?<![^]))"],
  ["$", "(?:(?![^]))"],
]);

function parseGroup(cursor: PatternCursor, ignoreCase: boolean, start: number): string {
  if (!cursor.take("?")) return closeGroup(cursor, cursor.openGroup(), ignoreCase, start);
  if (cursor.take("#")) {
    while (!cursor.isDone && !cursor.take(")")) cursor.next();
    return "";
  }
  if (cursor.take(">")) return cursor.atomic(closeGroup(cursor, "(?:", ignoreCase, start));
  for (const open of [":", "=", "!", "<=", "<!"]) {
    if (!cursor.take(open)) continue;
    const group = closeGroup(cursor, `(?${open}`, ignoreCase, start);
    // JavaScript does not let a look-around be repeated, but a group around it.
    return open === ":" ? group : `(?:${group})`;
  }
  if (cursor.take("i:")) return closeGroup(cursor, "(?:", true, start);
  if (cursor.take("-i:")) return closeGroup(cursor, "(?:", false, start);
  const name = /<[\p{L}_]\w*>/uy;
  if (cursor.takeMatch(name) !== null) return closeGroup(cursor, "(?:", ignoreCase, start);
  return cursor.refuse(`"(?${cursor.peek()}"`, start);
}

function closeGroup(
  cursor: PatternCursor,
  open: string,
  ignoreCase: boolean,
  start: number,
): string {
  cursor.enter(start);
  const body = parseAlternatives(cursor, ignoreCase);
  if (!cursor.take(")")) cursor.refuse("an unmatched parenthesis", start);
  cursor.leave();
  return `${open}${body})`;
}

function parseEscape(cursor: PatternCursor, ignoreCase: boolean, start: number): string {
  const special = (cursor.isFancy ? FANCY_ESCAPES : ESCAPES).get(cursor.peek());
  if (special !== undefined) {
    cursor.next();
    return special;
  }
  const word = cursor.takeMatch(/p\{word\}/iy);
  if (word !== null && !cursor.isFancy) return ESCAPES.get(word[0].startsWith("p") ? "w" : "W")!;
  if (!cursor.isFancy && cursor.take("R")) {
    return cursor.atomic("(?:\\r\\n|[\\n-\\r\\u{85}\\u{2028}\\u{2029}])");
  }
  if (/[1-9]/.test(cursor.peek())) return parseReference(cursor, ignoreCase, start);
  const escape = parseClassEscape(cursor, start, false);
  if (escape.character !== null) return writeLetter(cursor, escape.character, ignoreCase, start);
  if (ignoreCase && !escape.caseless) cursor.refuse("a class regardless of case", start);
  return `[${escape.body}]`;
}

/**
 * A reference to a group of one digit. Where the group has not matched, Oniguruma fails and
 * JavaScript goes on, so that only one that certainly has may be named.
 */
function parseReference(cursor: PatternCursor, ignoreCase: boolean, start: number): string {
  const digits = cursor.takeMatch(/\d+/y)![0];
  const isKnown = cursor.hasPlainGroups && cursor.matched.has(Number(digits));
  if (!isKnown || ignoreCase) cursor.refuse("a back-reference", start);
  return `\\k<g${digits}>`;
}

/** Word characters of Oniguruma outside a class: six Latin-1 characters more than inside. */
const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u{b2}\\u{b3}\\u{b9}\\u{bc}-\\u{be}]";

const ESCAPES: ReadonlyMap<string, string> = /* @__PURE__ */ escapesOf(WORD);

const FANCY_ESCAPES: ReadonlyMap<string, string> = /* @__PURE__ */ escapesOf(
  "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]",
);

/** Escapes that mean the same in both dialects once it is known what a word character is. */
function escapesOf(word: string): ReadonlyMap<string, string> {
  return new Map([
    ["A", "(?:(?<![^]))"],
    ["z", "(?:(?![^]))"],
    ["Z", "(?:(?=\\n?(?![^])))"],
    ["b", `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`],
    ["B", `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`],
    ["w", word],
    ["W", word.replace("[", "[^")],
  ]);
}

/** A literal character; regardless of case, the class of its simple foldings. */
function writeLetter(
  cursor: PatternCursor,
  character: string,
  ignoreCase: boolean,
  start: number,
): string {
  if (!ignoreCase || character.toLowerCase() === character.toUpperCase()) {
    return cursor.literal(character);
  }
  if (character >= "\x80") cursor.refuse(`"${character}" regardless of case`, start);
  return `[${foldings(character)
    .map((each) => cursor.literal(each))
    .join("")}]`;
}

/** All quantifiers that follow an atom; each further one repeats what came before it. */
function parseQuantifiers(cursor: PatternCursor, atom: string): string {
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
