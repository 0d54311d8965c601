import { parseClass, parseClassEscape } from "./oniguruma-class.ts";
import { checkEdge, type Letter, writeRun } from "./oniguruma-letters.ts";
import { parseQuantifiers, seesQuantifier } from "./oniguruma-quantifier.ts";
import { PatternCursor, type PatternDialect } from "./pattern-cursor.ts";

/** A pattern in JavaScript's dialect. */
export interface TranslatedPattern {
  readonly source: string;
  /** The same for matches that begin behind the start of the search; `source` but for `\\G`. */
  readonly ahead: string;
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
 *   but to a group before them in the same sequence, `\\G` behind what a match has read, `\\X`, `\\K`,
 *   conditionals, flags other than a group's `i`, characters that equal several regardless of case
 *   where they overlap or are in a class, and anything malformed.
 * @see Oniguruma, doc/RE; measured against huggingface/tokenizers 0.23.2
 */
export function translatePattern(
  pattern: string,
  place: string,
  dialect: PatternDialect = "oniguruma",
): TranslatedPattern {
  const cursor = new PatternCursor(pattern, place, dialect, "(?:)");
  const source = parseWhole(cursor);
  const flag = cursor.needsSets ? "v" : "u";
  const ahead =
    cursor.searchStarts === 0
      ? source
      : parseWhole(new PatternCursor(pattern, place, dialect, "(?:(?!))"));
  try {
    // An engine of an older standard may lack what the translation relies on.
    new RegExp(source, flag).test("");
  } catch (cause) {
    cursor.refuse("a construct this engine has no equal for", 0, cause);
  }
  return { source, ahead, flag };
}

function parseWhole(cursor: PatternCursor): string {
  const source = parseAlternatives(cursor, false);
  if (!cursor.isDone) cursor.refuse("an unmatched parenthesis", cursor.at);
  return source;
}

/** Up to the end or an unmatched closing parenthesis. */
function parseAlternatives(cursor: PatternCursor, ignoreCase: boolean): string {
  const { isAtStart } = cursor;
  let out = parseSequence(cursor, ignoreCase);
  while (cursor.take("|")) {
    cursor.isAtStart = isAtStart;
    cursor.edge = "";
    out += `|${parseSequence(cursor, ignoreCase)}`;
    cursor.edge = "";
  }
  return out;
}

function parseSequence(cursor: PatternCursor, ignoreCase: boolean): string {
  let out = "";
  // Literals in a row, which together may equal one character.
  let run: string[] = [];
  const matchedBefore = new Set(cursor.matched);
  while (!cursor.isDone && !cursor.sees("|") && !cursor.sees(")")) {
    const start = cursor.at;
    const { searchStarts } = cursor;
    const atom = parseAtom(cursor, ignoreCase);
    if (atom === "") continue;
    if (typeof atom !== "string") {
      if (run.length === 0) checkEdge(cursor, atom.letter, start);
      cursor.edge = atom.letter;
      run.push(atom.letter);
      if (!seesQuantifier(cursor)) continue;
      run.pop();
    }
    out += writeRun(cursor, run, start);
    run = [];
    const written = typeof atom === "string" ? atom : writeRun(cursor, [atom.letter], start);
    const repeated = parseQuantifiers(cursor, written);
    if (repeated !== written) {
      cursor.edge = "";
      if (cursor.searchStarts > searchStarts) cursor.refuse('"\\G" in a repetition', start);
    }
    const group = /^\(\?<g(?<number>\d)>/u.exec(written)?.groups!["number"];
    if (group !== undefined && repeated === written) cursor.matched.add(Number(group));
    out += repeated;
  }
  for (const group of cursor.matched) if (!matchedBefore.has(group)) cursor.matched.delete(group);
  return out + writeRun(cursor, run, cursor.at);
}

/**
 * One atom, written so that a quantifier can follow; a letter is left to those it stands among. Empty
 * for a comment.
 */
function parseAtom(cursor: PatternCursor, ignoreCase: boolean): string | Letter {
  const start = cursor.at;
  const { isAtStart } = cursor;
  const simple = (cursor.isFancy ? FANCY_ANCHORS : ANCHORS).get(cursor.peek());
  if (simple !== undefined) {
    const reads = cursor.next() === ".";
    cursor.isAtStart &&= !reads;
    cursor.edge = "";
    return simple;
  }
  if (cursor.take("(")) return parseGroup(cursor, ignoreCase, start);
  cursor.isAtStart = false;
  const { edge } = cursor;
  cursor.edge = "";
  if (cursor.sees("[")) return parseClass(cursor, ignoreCase);
  if (/[*+?]/.test(cursor.peek())) cursor.refuse("a quantifier with nothing before it", start);
  const atom = cursor.take("\\")
    ? parseEscape(cursor, ignoreCase, start, isAtStart)
    : writeLetter(cursor, cursor.next(), ignoreCase);
  if (typeof atom !== "string") cursor.edge = edge;
  return atom;
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
  if (cursor.take("?#")) {
    while (!cursor.isDone && !cursor.take(")")) cursor.next();
    return "";
  }
  if (cursor.take("?:")) return closeGroup(cursor, "(?:", ignoreCase, start);
  // What is in other groups is not joined with what stands around them.
  cursor.edge = "";
  const group = parseOtherGroup(cursor, ignoreCase, start);
  cursor.edge = "";
  return group;
}

function parseOtherGroup(cursor: PatternCursor, ignoreCase: boolean, start: number): string {
  if (!cursor.take("?")) return closeGroup(cursor, cursor.openGroup(), ignoreCase, start);
  if (cursor.take(">")) return cursor.atomic(closeGroup(cursor, "(?:", ignoreCase, start));
  for (const open of ["=", "!", "<=", "<!"]) {
    if (cursor.take(open)) return closeLook(cursor, open, ignoreCase, start);
  }
  if (cursor.take("i:")) return closeGroup(cursor, "(?:", true, start);
  if (cursor.take("-i:")) return closeGroup(cursor, "(?:", false, start);
  const name = /<[\p{L}_]\w*>/uy;
  if (cursor.takeMatch(name) !== null) return closeGroup(cursor, "(?:", ignoreCase, start);
  return cursor.refuse(`"(?${cursor.peek()}"`, start);
}

/** A look-around. JavaScript does not let one be repeated, but a group around it. */
function closeLook(
  cursor: PatternCursor,
  open: string,
  ignoreCase: boolean,
  start: number,
): string {
  const { isAtStart } = cursor;
  const behind = open.startsWith("<");
  if (behind) cursor.behind++;
  cursor.isAtStart &&= !behind;
  const group = closeGroup(cursor, `(?${open}`, ignoreCase, start);
  cursor.isAtStart = isAtStart;
  if (behind) cursor.behind--;
  return `(?:${group})`;
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
  cursor.isAtStart = false;
  return `${open}${body})`;
}

function parseEscape(
  cursor: PatternCursor,
  ignoreCase: boolean,
  start: number,
  isAtStart: boolean,
): string | Letter {
  if (!cursor.isFancy && cursor.take("G")) {
    if (!isAtStart) cursor.refuse('"\\G" behind what a match has read', start);
    cursor.isAtStart = true;
    cursor.searchStarts++;
    return cursor.searchStart;
  }
  const special = (cursor.isFancy ? FANCY_ESCAPES : ESCAPES).get(cursor.peek());
  if (special !== undefined) {
    const reads = /[wW]/.test(cursor.next());
    cursor.isAtStart = isAtStart && !reads;
    return special;
  }
  const word = cursor.takeMatch(/p\{word\}/iy);
  if (word !== null && !cursor.isFancy) return ESCAPES.get(word[0].startsWith("p") ? "w" : "W")!;
  if (!cursor.isFancy && cursor.take("R")) {
    return cursor.atomic("(?:\\r\\n|[\\n-\\r\\u{85}\\u{2028}\\u{2029}])");
  }
  if (/[1-9]/.test(cursor.peek())) return parseReference(cursor, ignoreCase, start);
  const escape = parseClassEscape(cursor, start, false);
  if (escape.character !== null) return writeLetter(cursor, escape.character, ignoreCase);
  // Oniguruma folds classes in brackets only.
  if (ignoreCase && cursor.isFancy && !escape.caseless) {
    cursor.refuse("a class regardless of case", start);
  }
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

/** A literal character; regardless of case, one that is written together with its neighbours. */
function writeLetter(
  cursor: PatternCursor,
  character: string,
  ignoreCase: boolean,
): string | Letter {
  return ignoreCase ? { letter: character } : cursor.literal(character);
}
