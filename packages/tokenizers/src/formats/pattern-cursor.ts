import { InferenceError } from "@frugal/core";
import { CaseFolding } from "./case-folding.ts";

/** Deepest nesting of groups and classes; published patterns need three. */
const DEEPEST = 64;

/** Whose regular expressions a pattern is written for: Oniguruma, or the crate fancy-regex. */
export type PatternDialect = "oniguruma" | "fancy";

/** A place in a pattern that is being translated, and what the translation needs so far. */
export class PatternCursor {
  at = 0;
  /** Whether the result has nested sets, for which the `v` flag is needed. */
  needsSets = false;
  readonly #pattern: string;
  readonly #place: string;
  readonly isFancy: boolean;
  /** Numbers of groups that a back-reference may name. */
  readonly #referenced: ReadonlySet<number>;
  /** Groups that have matched for certain when what stands here is reached. */
  readonly matched: Set<number> = new Set();
  /** The literal that ends here, though a group's border may follow, where case does not matter. */
  edge = "";
  /** How many look-behinds this is inside of. */
  behind = 0;
  /** Whether a match that reaches this place has read nothing yet. */
  isAtStart = true;
  /** How often the start of the search has been asked for. */
  searchStarts = 0;
  /** What is written for the start of the search. */
  readonly searchStart: string;
  #folding: CaseFolding | null = null;
  #groups = 0;
  #atomics = 0;
  #depth = 0;

  constructor(pattern: string, place: string, dialect: PatternDialect, searchStart: string) {
    this.searchStart = searchStart;
    this.#pattern = pattern;
    this.#place = place;
    this.isFancy = dialect === "fancy";
    const references = pattern.matchAll(/\\(?<number>[1-9])/gu);
    this.#referenced = new Set(Array.from(references, (match) => Number(match.groups!["number"])));
  }

  /** Which characters equal which; costs some time to make. */
  get folding(): CaseFolding {
    return (this.#folding ??= new CaseFolding());
  }

  get isDone(): boolean {
    return this.at >= this.#pattern.length;
  }

  /** The character here; empty at the end. */
  peek(): string {
    return this.isDone ? "" : String.fromCodePoint(this.#pattern.codePointAt(this.at)!);
  }

  /** The character here, and moves past it. */
  next(): string {
    const character = this.peek();
    if (character === "") this.refuse("an unfinished construct", this.at);
    this.at += character.length;
    return character;
  }

  sees(text: string): boolean {
    return this.#pattern.startsWith(text, this.at);
  }

  /** Moves past `text` if it is here. */
  take(text: string): boolean {
    if (!this.sees(text)) return false;
    this.at += text.length;
    return true;
  }

  /** Moves past a match of a sticky pattern that starts here. */
  takeMatch(sticky: RegExp): RegExpExecArray | null {
    sticky.lastIndex = this.at;
    const match = sticky.exec(this.#pattern);
    if (match !== null) this.at += match[0].length;
    return match;
  }

  /** Counts the nesting, which is recursion here and in the engine. */
  enter(start: number): void {
    if (++this.#depth > DEEPEST) this.refuse("such deep nesting", start);
  }

  leave(): void {
    this.#depth--;
  }

  /** Counts the next group and opens it, by a name if it may be referred to. */
  openGroup(): string {
    const number = ++this.#groups;
    return this.#referenced.has(number) ? `(?<g${number}>` : "(?:";
  }

  /** Whether groups are counted and read from left to right, as references here must be. */
  get hasPlainGroups(): boolean {
    return !this.#pattern.includes("(?<");
  }

  /** `body` without backtracking into it: a look-ahead keeps only its first match. */
  atomic(body: string): string {
    const name = `a${this.#atomics++}`;
    return `(?:(?=(?<${name}>${body}))\\k<${name}>)`;
  }

  /** A character that means itself, inside a class and outside, under either flag. */
  literal(character: string): string {
    if (/^[A-Za-z0-9]$/.test(character)) return character;
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  }

  /** @throws {@link InferenceError} `unsupported`, always. */
  refuse(construct: string, start: number, cause?: unknown): never {
    throw new InferenceError(
      "unsupported",
      `${this.#place}: ${construct} at offset ${start} of ${JSON.stringify(this.#pattern)} ` +
        "cannot be translated",
      cause === undefined ? undefined : { cause },
    );
  }
}
