import { asciiFoldings, isPlain } from "./case-folding.ts";
import type { PatternCursor } from "./pattern-cursor.ts";

/** A literal whose case does not matter. */
export interface Letter {
  readonly letter: string;
}

/** Refuses a letter that, with the one before a group's border, equals a single character. */
export function checkEdge(cursor: PatternCursor, letter: string, start: number): void {
  const pair = cursor.edge + letter;
  if (cursor.isFancy || cursor.edge === "" || isPlain(pair)) return;
  const folded = Array.from(pair, (each) => cursor.folding.fold(each).join("")).join("");
  if (cursor.folding.hasPair(folded)) cursor.refuse(`"${pair}" regardless of case`, start);
}

/** Letters in a row, each the set of those that equal it; several that equal one, or it, are either. */
export function writeRun(cursor: PatternCursor, run: readonly string[], start: number): string {
  const set = (letters: readonly string[]): string => {
    const written = letters.map((each) => cursor.literal(each)).join("");
    return letters.length === 1 ? written : `[${written}]`;
  };
  if (isPlain(run.join(""))) return run.map((each) => set(asciiFoldings(each))).join("");
  const { folding } = cursor;
  const equals = (letter: string): string => set(folding.equalsOf(letter));
  if (cursor.isFancy) return run.map(equals).join("");
  const folded = run.flatMap((each) => folding.fold(each));
  let out = "";
  let done = 0;
  for (const { start: from, end, characters } of folding.sequencesIn(folded)) {
    const letters = folded.slice(from, end);
    if (from < done || cursor.behind > 0) {
      cursor.refuse(`"${letters.join("")}" regardless of case`, start);
    }
    out += folded.slice(done, from).map(equals).join("");
    out += `(?:${letters.map(equals).join("")}|${set(characters)})`;
    done = end;
  }
  return out + folded.slice(done).map(equals).join("");
}
