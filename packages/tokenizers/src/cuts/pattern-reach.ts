/** A part of a pattern: which atoms can begin it and end it, and whether it can be empty. */
interface Fragment {
  readonly nullable: boolean;
  readonly first: readonly number[];
  readonly last: readonly number[];
}

const EMPTY: Fragment = { nullable: true, first: [], last: [] };

/**
 * Which neighbouring characters a pattern can read in one go.
 *
 * The pattern is taken apart into atoms, each of which reads one character, and the pairs of atoms
 * that can follow each other, those of a look-ahead included. Between two characters that no such
 * pair accepts, no attempt to match reads on: it ends the same way whatever stands behind, and
 * nothing at all stands behind being one case of that.
 */
export class PatternReach {
  readonly #accepts: readonly RegExp[];
  readonly #follows: readonly (readonly [number, number])[];
  readonly #known = new Map<string, boolean>();

  private constructor(accepts: readonly RegExp[], follows: readonly (readonly [number, number])[]) {
    this.#accepts = accepts;
    this.#follows = follows;
  }

  /**
   * Analyses a pattern in JavaScript's dialect. O(size²) at worst.
   *
   * @returns `null` for a pattern that looks behind, knows the ends of the text or can be empty, and
   *   for anything that was not understood: nothing is known about those.
   */
  static of(source: string, flag: "u" | "v"): PatternReach | null {
    const parser = new ReachParser(source);
    const whole = parser.parse();
    if (whole === null || whole.nullable) return null;
    const accepts = parser.atoms.map((atom) => new RegExp(`^(?:${atom})$`, flag));
    const follows = [...parser.pairs].map((key) => key.split(" ").map(Number) as [number, number]);
    return new PatternReach(accepts, follows);
  }

  /** Whether a match, or an attempt at one, can read `left` and then `right`: one character each. */
  reads(left: string, right: string): boolean {
    const key = left + right;
    let found = this.#known.get(key);
    if (found === undefined) {
      found = this.#follows.some(
        ([a, b]) => this.#accepts[a]!.test(left) && this.#accepts[b]!.test(right),
      );
      if (this.#known.size >= 4096) this.#known.clear();
      this.#known.set(key, found);
    }
    return found;
  }
}

/** Parses what `translatePattern` writes, and plain patterns like it. */
class ReachParser {
  readonly atoms: string[] = [];
  readonly pairs = new Set<string>();
  readonly #source: string;
  /** By name: the translator names the groups it refers back to, which are atomic ones. */
  readonly #groups = new Map<string, Fragment>();
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): Fragment | null {
    const whole = this.#alternatives();
    return this.#at === this.#source.length ? whole : null;
  }

  #alternatives(): Fragment | null {
    let out = this.#sequence();
    while (out !== null && this.#take("|")) {
      const next = this.#sequence();
      if (next === null) return null;
      out = {
        nullable: out.nullable || next.nullable,
        first: [...out.first, ...next.first],
        last: [...out.last, ...next.last],
      };
    }
    return out;
  }

  #sequence(): Fragment | null {
    let out: Fragment = EMPTY;
    while (this.#at < this.#source.length && !/[|)]/.test(this.#source[this.#at]!)) {
      const item = this.#quantified();
      if (item === null) return null;
      this.#join(out.last, item.first);
      out = {
        nullable: out.nullable && item.nullable,
        first: out.nullable ? [...out.first, ...item.first] : out.first,
        last: item.nullable ? [...out.last, ...item.last] : item.last,
      };
    }
    return out;
  }

  #quantified(): Fragment | null {
    const item = this.#item();
    const quantifier = this.#match(/([*+?]|\{(\d+)(?:,\d*)?\})\??/y);
    if (item === null || quantifier === null) return item;
    const [, text, least] = quantifier;
    if (text !== "?") this.#join(item.last, item.first);
    const optional = text === "*" || text === "?" || least === "0";
    return { ...item, nullable: item.nullable || optional };
  }

  #item(): Fragment | null {
    const known = this.#match(/\\k<(\w+)>/y);
    if (known !== null) return this.#groups.get(known[1]!) ?? null;
    if (this.#match(/\(\?<[=!]/y) !== null) return null;
    if (this.#match(/\(\?[=!]/y) !== null) {
      const inner = this.#closed();
      // Reads ahead, then gives back what it read.
      return inner === null ? null : { nullable: true, first: inner.first, last: [] };
    }
    if (this.#match(/\(\?:/y) !== null) return this.#closed();
    const named = this.#match(/\(\?<(\w+)>/y);
    if (named !== null) {
      const inner = this.#closed();
      if (inner !== null) this.#groups.set(named[1]!, inner);
      return inner;
    }
    return this.#atom();
  }

  #closed(): Fragment | null {
    const inner = this.#alternatives();
    return this.#take(")") ? inner : null;
  }

  /** One character: a class, an escape or a letter. */
  #atom(): Fragment | null {
    const start = this.#at;
    if (this.#take("[")) {
      if (!this.#skipClass()) return null;
    } else if (
      this.#match(/\\(?:[pP]\{[^}]+\}|u\{[^}]+\}|u[\da-fA-F]{4}|x[\da-fA-F]{2})/y) === null &&
      this.#match(/\\[dDsSwWnrtfv0^$\\.*+?()[\]{}|/-]/y) === null &&
      this.#match(/[^\\^$*+?()[\]{}|]/uy) === null
    ) {
      return null;
    }
    const index = this.atoms.push(this.#source.slice(start, this.#at)) - 1;
    return { nullable: false, first: [index], last: [index] };
  }

  /** To the end of a class that has just been opened; classes may be nested. */
  #skipClass(): boolean {
    for (let depth = 1; this.#at < this.#source.length; this.#at++) {
      const unit = this.#source[this.#at]!;
      if (unit === "\\") this.#at++;
      else if (unit === "[") depth++;
      else if (unit === "]" && --depth === 0) return this.#take("]");
    }
    return false;
  }

  #join(last: readonly number[], first: readonly number[]): void {
    for (const a of last) for (const b of first) this.pairs.add(`${a} ${b}`);
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#source);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }
}
