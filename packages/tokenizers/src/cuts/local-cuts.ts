import type { AddedTokens } from "../added-tokens.ts";
import { codePointBefore, toWellFormed } from "../character-classes.ts";
import type { CutRule } from "./cut-rule.ts";
import type { CutStep } from "./pattern-step.ts";

/** What {@link LocalCuts} knows of a tokenizer. */
export interface LocalCutsInit {
  readonly rawTokens: AddedTokens;
  readonly normalizedTokens: AddedTokens;
  /** A normalizer that works on each character and the marks behind it alone; null without one. */
  readonly normalize: ((text: string) => string) | null;
  /** The steps of the pre-tokenizer, in order. */
  readonly steps: readonly CutStep[];
}

/** A place that looked like a cut and was none is passed over; this often, then not again. */
const ATTEMPTS = 3;

/**
 * Cuts of a tokenizer whose parts all look at a bounded neighbourhood.
 *
 * A place is a cut if (1) no added token, normalization or step of the pre-tokenizer reads across it,
 * judged by the two characters it lies between, and (2) a step ends a piece there, found by running
 * the steps on what stands before it. By (1) they do the same there in the whole text.
 */
export class LocalCuts implements CutRule {
  readonly #init: LocalCutsInit;

  constructor(init: LocalCutsInit) {
    this.#init = init;
  }

  lastCut(text: string, special: "parse" | "text" = "parse"): number {
    const source = toWellFormed(text);
    let attempts = 0;
    // A high surrogate at the end may be completed by what follows: it is not looked at yet.
    const open = /[\ud800-\udbff]$/.test(text) ? 1 : 0;
    let place = source.length - open;
    let next = "";
    while (place > 0 && attempts < ATTEMPTS) {
      const left = String.fromCodePoint(codePointBefore(source, place));
      const right = place < source.length - open ? charAt(source, place) : "";
      if (right !== "" && this.#isClosed(left, right, next)) {
        if (this.#isEnd(source.slice(0, place), special === "parse")) return place;
        attempts++;
      }
      next = right;
      place -= left.length;
    }
    return 0;
  }

  /** Whether nothing reads across the place between `left` and `right`; `next` follows or is "". */
  #isClosed(left: string, right: string, next: string): boolean {
    const { rawTokens, normalizedTokens, normalize, steps } = this.#init;
    if (rawTokens.readsAcross(left, right)) return false;
    let [before, after] = [left, right];
    if (normalize !== null) {
      if (next === "" || !startsAfresh(left) || !startsAfresh(right) || !startsAfresh(next)) {
        return false;
      }
      before = Array.from(normalize(left)).at(-1) ?? "";
      after = Array.from(normalize(right))[0] ?? "";
      if (before === "" || after === "") return false;
    }
    if (normalizedTokens.readsAcross(before, after)) return false;
    return !steps.some((step) => step.readsAcross(before, after));
  }

  /** Whether a piece ends where `text` does, given that nothing reads across. */
  #isEnd(text: string, parseSpecial: boolean): boolean {
    const { rawTokens, normalizedTokens, normalize, steps } = this.#init;
    let open = lastStretch(rawTokens, text, parseSpecial);
    if (open === "") return true;
    if (normalize !== null) open = normalize(open);
    open = lastStretch(normalizedTokens, open, parseSpecial);
    for (const step of steps) {
      if (open === "") return true;
      open = open.slice(step.openEnd(open));
    }
    return open === "";
  }
}

/** What stands after the last added token. */
function lastStretch(tokens: AddedTokens, text: string, parseSpecial: boolean): string {
  let open = "";
  tokens.split(text, parseSpecial, (id, start, end) => {
    open = id < 0 ? text.slice(start, end) : "";
  });
  return open;
}

function charAt(text: string, at: number): string {
  return String.fromCodePoint(text.codePointAt(at)!);
}

/**
 * Whether normalization never joins a character to the one before it, nor moves it: it is no mark,
 * no vowel or final of Hangul or Kirat Rai, and nothing that is compatible to one of those.
 */
function startsAfresh(character: string): boolean {
  if (character < "\u0300") return true;
  return !/[\p{M}\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\ud7b0-\ud7ff\uff9e-\uffdc\u{16d63}-\u{16d6a}]/u.test(
    character,
  );
}
