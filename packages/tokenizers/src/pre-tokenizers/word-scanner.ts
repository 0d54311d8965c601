/** How the well-known patterns that a {@link WordScanner} stands for differ. */
export interface WordRules {
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
  anyCase: false,
  anyLead: false,
  digits: Infinity,
  spaceBeforeDigits: true,
  lineEnds: false,
  wholeTail: false,
};

const LETTER = 1;
const NUMBER = 2;
const SPACE = 3;
const LINE_END = 4;

/**
 * Finds the matches of the patterns of GPT-2, cl100k, Llama 3 and Qwen 2 without a regular
 * expression. Their matches leave nothing out, so that each ends where the next one begins.
 */
export class WordScanner {
  readonly #rules: WordRules;
  /** Class of each UTF-16 unit; surrogates are looked up in pairs. */
  readonly #classes = new Uint8Array(0x10000);

  constructor(rules: WordRules) {
    this.#rules = rules;
    for (let base = 0; base < 0x10000; base += 0x800) {
      // Surrogates are symbols, alone.
      if (base === 0xd800) continue;
      const units = Array.from({ length: 0x800 }, (_, i) => base + i);
      const text = String.fromCharCode(...units);
      for (const match of text.matchAll(/\p{L}+/gu)) this.#mark(base, match, LETTER);
      for (const match of text.matchAll(/\p{N}+/gu)) this.#mark(base, match, NUMBER);
      for (const match of text.matchAll(/\p{White_Space}+/gu)) this.#mark(base, match, SPACE);
    }
    this.#classes[0x0a] = LINE_END;
    this.#classes[0x0d] = LINE_END;
  }

  /** End of the match that begins at `start`, which is before the end of `text`. */
  endOf(text: string, start: number): number {
    const { anyLead, digits, spaceBeforeDigits } = this.#rules;
    const unit = text.charCodeAt(start);
    if (unit === 0x27) {
      const end = this.#contraction(text, start);
      if (end > 0) return end;
    }
    const first = this.#classAt(text, start);
    if (first === LETTER) return this.#run(text, start, LETTER, Infinity);
    if (first === NUMBER) return this.#run(text, start, NUMBER, digits);
    const next = start + this.#sizeAt(text, start);
    const second = next < text.length ? this.#classAt(text, next) : -1;
    const mayLead = unit === 0x20 || (anyLead && first !== LINE_END);
    if (second === LETTER && mayLead) return this.#run(text, next, LETTER, Infinity);
    if (second === NUMBER && unit === 0x20 && spaceBeforeDigits) {
      return this.#run(text, next, NUMBER, digits);
    }
    if (first === 0) return this.#symbols(text, start);
    if (second === 0 && unit === 0x20) return this.#symbols(text, next);
    return this.#spaces(text, start);
  }

  #mark(base: number, match: RegExpExecArray, value: number): void {
    const from = base + match.index;
    this.#classes.fill(value, from, from + match[0].length);
  }

  #sizeAt(text: string, at: number): number {
    const unit = text.charCodeAt(at);
    return unit >= 0xd800 && unit < 0xdc00 && text.codePointAt(at)! >= 0x10000 ? 2 : 1;
  }

  #classAt(text: string, at: number): number {
    const unit = text.charCodeAt(at);
    if (unit < 0xd800 || unit > 0xdbff) return this.#classes[unit]!;
    const character = String.fromCodePoint(text.codePointAt(at)!);
    return /^\p{L}/u.test(character) ? LETTER : /^\p{N}/u.test(character) ? NUMBER : 0;
  }

  #run(text: string, start: number, kind: number, most: number): number {
    let at = start;
    for (let left = most; left > 0 && at < text.length; left--) {
      const unit = text.charCodeAt(at);
      if (unit < 0xd800 || unit > 0xdbff) {
        if (this.#classes[unit] !== kind) break;
        at++;
      } else {
        if (this.#classAt(text, at) !== kind) break;
        at += this.#sizeAt(text, at);
      }
    }
    return at;
  }

  #symbols(text: string, start: number): number {
    const end = this.#run(text, start, 0, Infinity);
    return this.#rules.lineEnds ? this.#run(text, end, LINE_END, Infinity) : end;
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
