/** Where all characters with cases are, with room for more; looking at the rest would take longer. */
const CASED: readonly (readonly [first: number, last: number])[] = [
  [0, 0x2fff],
  [0xa640, 0xabff],
  [0xfb00, 0xff5f],
  [0x1_0400, 0x1_18ff],
  [0x1_6e40, 0x1_6eff],
  [0x1_e900, 0x1_e95f],
];
/** Whether nothing but the other case and, for two letters, a third form equals a part of a text. */
export function isPlain(text: string): boolean {
  return /^[\0-\x7f]*$/u.test(text) && !/ss|st|ff|fi|fl/iu.test(text);
}

/**
 * Which characters equal which regardless of case, by Unicode's folding: the simple one, of a character
 * to another, and the full one, of a character to several, as ß to ss.
 *
 * Found out from the engine's own tables. O(code points with cases) for each question, after a few
 * milliseconds to list them.
 *
 * @see Unicode, CaseFolding.txt, statuses C, S and F
 */
export class CaseFolding {
  readonly #cased: readonly string[];
  /** What characters fold to, if that is several, to those characters. */
  readonly #sequences = new Map<string, string[]>();

  constructor() {
    let all = "";
    for (const [first, last] of CASED) {
      for (let code = first; code <= last; code++) all += String.fromCodePoint(code);
    }
    this.#cased = all.match(/[\p{Changes_When_Casemapped}\p{Changes_When_Casefolded}]/gu) ?? [];
    for (const character of this.#cased) {
      const folded = bothCases(character);
      if (folded.length === 1) continue;
      const key = folded.join("");
      this.#sequences.set(key, [...(this.#sequences.get(key) ?? []), character]);
    }
  }

  /** The characters that equal one by simple folding, itself first. */
  equalsOf(character: string): string[] {
    const same = sameAs(character);
    return [character, ...this.#cased.filter((each) => each !== character && same.test(each))];
  }

  /** Characters from `low` to `high` that have cases. */
  casedBetween(low: string, high: string): string[] {
    const [first, last] = [low.codePointAt(0)!, high.codePointAt(0)!];
    return this.#cased.filter((each) => {
      const code = each.codePointAt(0)!;
      return first <= code && code <= last;
    });
  }

  /** What a character folds to: one, or for some several. */
  fold(character: string): string[] {
    const folded = bothCases(character);
    // The dotless i has a capital without being equal to it.
    if (folded.length === 1 && !sameAs(character).test(folded[0]!)) return [character];
    return folded;
  }

  /** Where folded characters stand for a single one, and for which; ranges in order of their start. */
  sequencesIn(
    folded: readonly string[],
  ): { readonly start: number; readonly end: number; readonly characters: readonly string[] }[] {
    const found = [];
    for (let start = 0; start < folded.length; start++) {
      for (const length of [2, 3]) {
        const end = start + length;
        const characters = this.#sequences.get(folded.slice(start, end).join(""));
        if (end <= folded.length && characters !== undefined)
          found.push({ start, end, characters });
      }
    }
    return found;
  }

  /** Whether two folded characters stand side by side in what one folds to. */
  hasPair(pair: string): boolean {
    return [...this.#sequences.keys()].some((sequence) => sequence.includes(pair));
  }
}

/** In lower case what is in upper case what is in lower case: the one way to the full folding. */
function bothCases(character: string): string[] {
  return Array.from(character.toLowerCase().toUpperCase(), (each) => each.toLowerCase());
}

function sameAs(character: string): RegExp {
  return new RegExp(`^\\u{${character.codePointAt(0)!.toString(16)}}$`, "iu");
}

/**
 * The characters that equal an ASCII one regardless of case, itself first. Two letters have a third
 * form: the long s and the Kelvin sign.
 */
export function asciiFoldings(character: string): string[] {
  const lower = character.toLowerCase();
  const upper = character.toUpperCase();
  if (lower === upper) return [character];
  const third = lower === "s" ? ["\u017f"] : lower === "k" ? ["\u212a"] : [];
  return [character, character === lower ? upper : lower, ...third];
}
