import { isWhiteSpace, isWordCharacter } from "../character-classes.ts";

/** What of an added token decides how far it looks. */
interface Flags {
  readonly singleWord: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

/** The edges of the tokens with one flag. */
interface Edges {
  readonly first: ReadonlySet<string>;
  readonly last: ReadonlySet<string>;
}

/** Where the added tokens of one kind, raw or normalized, may look from one character to the next. */
export class LiteralEdges {
  readonly #inside: ReadonlySet<string>;
  readonly #words: Edges;
  readonly #left: Edges;
  readonly #right: Edges;

  /** `patterns[i]` is the text that is looked for in place of `tokens[i].content`. */
  constructor(tokens: readonly Flags[], patterns: readonly string[]) {
    const letters = patterns.map((pattern) => Array.from(pattern));
    this.#inside = new Set(letters.flatMap((each) => each.slice(1).map((c, i) => each[i]! + c)));
    const edges = (has: (token: Flags) => boolean): Edges => {
      const some = letters.filter((each, i) => each.length > 0 && has(tokens[i]!));
      return {
        first: new Set(some.map((each) => each[0]!)),
        last: new Set(some.map((each) => each.at(-1)!)),
      };
    };
    this.#words = edges((token) => token.singleWord);
    this.#left = edges((token) => token.lstrip);
    this.#right = edges((token) => token.rstrip);
  }

  /**
   * Whether a token can stand across the place between two characters, or one that ends or begins
   * there be taken differently, or longer, for what stands on the other side.
   */
  readsAcross(left: string, right: string): boolean {
    if (this.#inside.has(left + right)) return true;
    if (this.#words.last.has(left) && isWordCharacter(right.codePointAt(0)!)) return true;
    if (this.#words.first.has(right) && isWordCharacter(left.codePointAt(0)!)) return true;
    const spaceLeft = isWhiteSpace(left.charCodeAt(0));
    const spaceRight = isWhiteSpace(right.charCodeAt(0));
    if (this.#left.first.size > 0 && spaceLeft && (spaceRight || this.#left.first.has(right))) {
      return true;
    }
    return this.#right.last.size > 0 && spaceRight && (spaceLeft || this.#right.last.has(left));
  }
}
