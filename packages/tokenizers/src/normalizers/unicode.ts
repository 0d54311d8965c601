import { codePointBefore } from "../character-classes.ts";
import { rangesToClass } from "../character-ranges.ts";
import { WITHOUT_NORMALIZATION } from "../character-tables.ts";
import type { Normalizer } from "./normalizer.ts";

/** A normalization form of Unicode. */
export type UnicodeForm = "NFC" | "NFD" | "NFKC" | "NFKD";

/**
 * A Unicode normalization form, by the engine's own tables; characters that the reference's older
 * tables do not know are left alone, as there.
 *
 * Origins follow the reference: a composed character keeps the range of the first character it was
 * made from, and the marks that went into it leave their range to nobody; what a character falls
 * apart into shares its range, until marks change places.
 *
 * Cost: O(length).
 *
 * @see `NormalizedString::nfc` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/tokenizer/normalizer.rs
 */
export function unicodeNormalizer(form: UnicodeForm): Normalizer {
  const newer = rangesToClass(WITHOUT_NORMALIZATION);
  const newerCharacter = new RegExp(`[${newer}]`, "u");
  const older = new RegExp(`[^${newer}]+`, "gu");
  // Characters below U+0300 start afresh: none of them composes with what stands before it.
  const stretches = new RegExp(`[${newer}]|[^][^\\0-\\u{2ff}${newer}]*`, "gu");
  const toForm = (text: string): string => normalizeLong(text, form);
  return (text, withOrigin) => {
    const normalized = newerCharacter.test(text) ? text.replace(older, toForm) : toForm(text);
    if (!withOrigin || normalized === text) return { text: normalized, origin: null };

    const tracker = new OriginTracker(text, normalized.length);
    for (const [stretch] of text.matchAll(stretches)) {
      if (newerCharacter.test(stretch) || toForm(stretch) === stretch) {
        tracker.copy(stretch.length);
        continue;
      }
      const decomposed = decompose(stretch, form === "NFC" || form === "NFD" ? "NFD" : "NFKD");
      if (form === "NFC" || form === "NFKC") compose(decomposed, tracker);
      else for (const moving of decomposed) tracker.put(moving);
    }
    return { text: normalized, origin: tracker.origin };
  };
}

/**
 * Engines take time quadratic in a run of combining marks, unless it is in order already; a text of
 * nothing else could stall a server for minutes. Longer runs than words have are therefore ordered
 * first, which changes nothing else.
 */
function normalizeLong(text: string, form: UnicodeForm): string {
  const order = (run: string): string =>
    decompose(run, "NFD")
      .map((moving) => moving.character)
      .join("");
  const ordered = /\p{M}{64}/u.test(text) ? text.replace(/\p{M}{64,}/gu, order) : text;
  return ordered.normalize(form);
}

/** A character on its way through normalization. */
interface Moving {
  readonly character: string;
  /**
   * How many source characters it stands for: 1 takes the next one; 0 takes none, being inserted;
   * 1 + k takes the next one and swallows k more.
   */
  readonly takes: number;
}

/** Decomposition with the marks in canonical order. */
function decompose(text: string, form: "NFD" | "NFKD"): Moving[] {
  const out: Moving[] = [];
  let runStart = 0;
  const sortRun = (): void => {
    if (out.length - runStart < 2) return;
    sortByClass(out.slice(runStart)).forEach((moving, i) => (out[runStart + i] = moving));
  };
  for (const source of text) {
    let takes = 1;
    for (const character of source.normalize(form)) {
      if (isStarter(character)) {
        sortRun();
        runStart = out.length + 1;
      }
      out.push({ character, takes });
      takes = 0;
    }
  }
  sortRun();
  return out;
}

/** A stable sort by combining class. O(marks): only the distinct ones are compared. */
function sortByClass(run: readonly Moving[]): Moving[] {
  const distinct = [...new Set(run.map((moving) => moving.character))].sort(compareClass);
  const classes: Moving[][] = [];
  const classOf = new Map<string, Moving[]>();
  distinct.forEach((character, i) => {
    if (i === 0 || compareClass(distinct[i - 1]!, character) !== 0) classes.push([]);
    classOf.set(character, classes.at(-1)!);
  });
  for (const moving of run) classOf.get(moving.character)!.push(moving);
  return classes.flat();
}

/** Canonical composition of what {@link decompose} made. */
function compose(decomposed: readonly Moving[], tracker: OriginTracker): void {
  let starter: Moving | null = null;
  let marks: Moving[] = [];
  const release = (): void => {
    if (starter !== null) tracker.put(starter);
    for (const mark of marks) tracker.put(mark);
    marks = [];
  };
  for (const moving of decomposed) {
    const last = marks.at(-1);
    const fresh = isStarter(moving.character);
    // Blocked: a mark in between has the same class, or any mark stands before another starter.
    const blocked =
      last !== undefined && (fresh || compareClass(last.character, moving.character) >= 0);
    const whole: string | null =
      starter === null || blocked ? null : composed(starter.character, moving.character);
    if (whole !== null) {
      starter = { character: whole, takes: starter!.takes + moving.takes };
    } else if (fresh) {
      release();
      starter = moving;
    } else if (starter === null) {
      tracker.put(moving);
    } else {
      marks.push(moving);
    }
  }
  release();
}

/** The one character that two compose to, or null. */
function composed(first: string, second: string): string | null {
  const whole = (first + second).normalize("NFC");
  const isOne = whole.length === (whole.codePointAt(0)! >= 0x10000 ? 2 : 1);
  return isOne ? whole : null;
}

// JavaScript does not tell a character's combining class, but normalization swaps two marks exactly
// when the first one's class is higher. U+0334 has the lowest class, U+0345 the highest.
function isStarter(character: string): boolean {
  if (character < "\u0300") return true;
  const movesForward = (character + "\u0334").normalize("NFD") !== character + "\u0334";
  return !movesForward && ("\u0345" + character).normalize("NFD") === "\u0345" + character;
}

/** Negative if the first mark has the lower combining class, zero if both have the same. */
function compareClass(a: string, b: string): number {
  if (a === b) return 0;
  if ((b + a).normalize("NFD") !== b + a) return -1;
  return (a + b).normalize("NFD") !== a + b ? 1 : 0;
}

/** Builds normalized text and, for each unit of it, the range of its source character. */
class OriginTracker {
  readonly #source: string;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  /** Units of the source taken, and of the result written, so far. */
  #taken = 0;
  #written = 0;

  constructor(source: string, length: number) {
    this.#source = source;
    this.#starts = new Uint32Array(length);
    this.#ends = new Uint32Array(length);
  }

  /** Takes the next `length` units over as they are. */
  copy(length: number): void {
    for (const stop = this.#taken + length; this.#taken < stop;) {
      const start = this.#taken;
      this.#taken += this.#sizeAt(start);
      this.#fill(this.#taken - start, start, this.#taken);
    }
  }

  /** Writes one character in place of the source characters it takes. */
  put({ character, takes }: Moving): void {
    let start = this.#taken;
    let end = start;
    if (takes > 0) {
      for (let i = 0; i < takes; i++) {
        this.#taken += this.#sizeAt(this.#taken);
        if (i === 0) end = this.#taken;
      }
    } else if (start > 0) {
      // Inserted: it shares the range of the character before.
      start -= codePointBefore(this.#source, start) >= 0x10000 ? 2 : 1;
    }
    this.#fill(character.length, start, end);
  }

  get origin(): { starts: Uint32Array; ends: Uint32Array } {
    return { starts: this.#starts, ends: this.#ends };
  }

  #sizeAt(unit: number): number {
    return this.#source.codePointAt(unit)! >= 0x10000 ? 2 : 1;
  }

  #fill(units: number, start: number, end: number): void {
    const stop = this.#written + units;
    this.#starts.fill(start, this.#written, stop);
    this.#ends.fill(end, this.#written, stop);
    this.#written = stop;
  }
}
