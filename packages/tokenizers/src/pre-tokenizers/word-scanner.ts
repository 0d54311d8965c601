/** How the well-known patterns that a {@link WordScanner} stands for differ. */
export interface WordRules {
  /**
   * Whether a word also ends before upper case that follows lower case, marks belong to words, and
   * so do contractions behind them. Slashes are then taken along by symbols, too.
   */
  readonly cased: boolean;
  /** Whether contractions count in upper case. */
  readonly anyCase: boolean;
  /** Whether any single character that is no line end may stand before letters, or a space only. */
  readonly anyLead: boolean;
  /** Most digits in one match. */
  readonly digits: number;
  /** Whether a space may stand before digits. */
  readonly spaceBeforeDigits: boolean;
  /** Whether line ends are set apart from other spaces, and taken along by symbols. */
  readonly lineEnds: boolean;
  /** Whether the spaces that end the text are one match, whatever they are. */
  readonly wholeTail: boolean;
}

/** The rules of GPT-2's pattern. */
export const GPT2_RULES: WordRules = {
  cased: false,
  anyCase: false,
  anyLead: false,
  digits: Infinity,
  spaceBeforeDigits: true,
  lineEnds: false,
  wholeTail: false,
};

// One bit each, so that a run may be of several. Symbols are what is nothing else.
const SYMBOL = 1;
const NUMBER = 2;
const SPACE = 4;
const LINE_END = 8;
const LETTER = 16;
// With `cased` only; LETTER is then one without case.
const UPPER = 32;
const LOWER = 64;
const MARK = 128;

const LETTERS = LETTER | UPPER | LOWER;
/** What a word may begin with, and what it may end with, where case counts. */
const HEAD = UPPER | LETTER | MARK;
const TAIL = LOWER | LETTER | MARK;

const PLAIN_CLASSES: readonly (readonly [kind: number, runs: RegExp])[] = [
  [LETTER, /\p{L}+/gu],
  [NUMBER, /\p{N}+/gu],
  [SPACE, /\p{White_Space}+/gu],
];
const CASED_CLASSES: typeof PLAIN_CLASSES = [
  ...PLAIN_CLASSES,
  [UPPER, /[\p{Lu}\p{Lt}]+/gu],
  [LOWER, /\p{Ll}+/gu],
  [MARK, /\p{M}+/gu],
];

/**
 * Finds the matches of the patterns of GPT-2, cl100k, o200k, Llama 3 and Qwen 2 without a
 * regular expression. Their matches leave nothing out, so that each ends where the next one begins.
 */
export class WordScanner {
  readonly #rules: WordRules;
  readonly #kinds: typeof PLAIN_CLASSES;
  /** Class of each UTF-16 unit; surrogates are looked up in pairs. */
  readonly #classes = new Uint8Array(0x10000).fill(SYMBOL);

  constructor(rules: WordRules) {
    this.#rules = rules;
    this.#kinds = rules.cased ? CASED_CLASSES : PLAIN_CLASSES;
    for (let base = 0; base < 0x10000; base += 0x800) {
      // Surrogates are symbols, alone.
      if (base === 0xd800) continue;
      const units = Array.from({ length: 0x800 }, (_, i) => base + i);
      const text = String.fromCharCode(...units);
      for (const [kind, runs] of this.#kinds) {
        for (const { index, 0: run } of text.matchAll(runs)) {
          this.#classes.fill(kind, base + index, base + index + run.length);
        }
      }
    }
    this.#classes[0x0a] = LINE_END;
    this.#classes[0x0d] = LINE_END;
  }

  /** End of the match that begins at `start`, which is before the end of `text`. */
  endOf(text: string, start: number): number {
    const { cased, anyLead, digits, spaceBeforeDigits } = this.#rules;
    const unit = text.charCodeAt(start);
    if (unit === 0x27 && !cased) {
      const end = this.#contraction(text, start);
      if (end > 0) return end;
    }
    const first = this.#classAt(text, start);
    if (first === NUMBER) return this.#run(text, start, NUMBER, digits);
    if ((first & LETTERS) > 0) return this.#word(text, start);
    const next = start + this.#sizeAt(text, start);
    const second = next < text.length ? this.#classAt(text, next) : 0;
    const mayLead = unit === 0x20 || (anyLead && first !== LINE_END);
    if ((second & (LETTERS | MARK)) > 0 && mayLead) {
      // Rather than before upper case alone, a mark is a word by itself.
      if (first === MARK && this.#tailEnd(text, next) === 0) return next;
      return this.#word(text, next);
    }
    if (first === MARK) return this.#word(text, start);
    if (second === NUMBER && unit === 0x20 && spaceBeforeDigits) {
      return this.#run(text, next, NUMBER, digits);
    }
    if (first === SYMBOL) return this.#symbols(text, start);
    if (second === SYMBOL && unit === 0x20) return this.#symbols(text, next);
    return this.#spaces(text, start);
  }

  #sizeAt(text: string, at: number): number {
    const unit = text.charCodeAt(at);
    return unit >= 0xd800 && unit < 0xdc00 && text.codePointAt(at)! >= 0x10000 ? 2 : 1;
  }

  #classAt(text: string, at: number): number {
    const unit = text.charCodeAt(at);
    if (unit < 0xd800 || unit > 0xdbff) return this.#classes[unit]!;
    const character = String.fromCodePoint(text.codePointAt(at)!);
    let found = SYMBOL;
    for (const [kind, runs] of this.#kinds) if (character.search(runs) === 0) found = kind;
    return found;
  }

  /** End of the word that begins with the letter or mark at `start`. */
  #word(text: string, start: number): number {
    if (!this.#rules.cased) return this.#run(text, start, LETTER, Infinity);
    const end = this.#tailEnd(text, start) || this.#run(text, start, HEAD, Infinity);
    const isOpen = text.charCodeAt(end) === 0x27;
    return isOpen ? this.#contraction(text, end) || end : end;
  }

  /** End of the longest part of a cased word that ends with what may end one; 0 if there is none. */
  #tailEnd(text: string, start: number): number {
    let last = 0;
    let at = start;
    while (at < text.length) {
      const kind = this.#classAt(text, at);
      if ((kind & HEAD) === 0) break;
      at += this.#sizeAt(text, at);
      if ((kind & TAIL) > 0) last = at;
    }
    const end = this.#run(text, at, TAIL, Infinity);
    return end > at ? end : last;
  }

  #run(text: string, start: number, kinds: number, most: number): number {
    let at = start;
    for (let left = most; left > 0 && at < text.length; left--) {
      const unit = text.charCodeAt(at);
      if (unit < 0xd800 || unit > 0xdbff) {
        if ((this.#classes[unit]! & kinds) === 0) break;
        at++;
      } else {
        if ((this.#classAt(text, at) & kinds) === 0) break;
        at += this.#sizeAt(text, at);
      }
    }
    return at;
  }

  #symbols(text: string, start: number): number {
    const { lineEnds, cased } = this.#rules;
    let end = this.#run(text, start, SYMBOL | MARK, Infinity);
    if (!lineEnds) return end;
    end = this.#run(text, end, LINE_END, Infinity);
    if (!cased) return end;
    while (text.charCodeAt(end) === 0x2f) {
      end = this.#run(text, end + 1, LINE_END, Infinity);
    }
    return end;
  }

  #spaces(text: string, start: number): number {
    let end = start;
    let lastLineEnd = -1;
    for (; end < text.length; end++) {
      const kind = this.#classes[text.charCodeAt(end)]!;
      if (kind === LINE_END) lastLineEnd = end;
      else if (kind !== SPACE) break;
    }
    const { wholeTail, lineEnds } = this.#rules;
    if (end === text.length && wholeTail) return end;
    if (lineEnds && lastLineEnd >= 0) return lastLineEnd + 1;
    // The last space is left for what follows it.
    return end < text.length && end - start > 1 ? end - 1 : end;
  }

  /** End of a contraction that begins with the apostrophe at `start`; 0 if there is none. */
  #contraction(text: string, start: number): number {
    const letter = this.#letterAt(text, start + 1);
    if (letter === "s" || letter === "t" || letter === "m" || letter === "d") return start + 2;
    const pair = letter + this.#letterAt(text, start + 2);
    return pair === "re" || pair === "ve" || pair === "ll" ? start + 3 : 0;
  }

  #letterAt(text: string, at: number): string {
    const letter = text.charAt(at);
    if (!this.#rules.anyCase) return letter;
    return letter === "\u017f" ? "s" : letter.toLowerCase();
  }
}
