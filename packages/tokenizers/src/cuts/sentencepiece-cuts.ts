import type { AddedTokens } from "../added-tokens.ts";
import { codePointBefore, toWellFormed } from "../character-classes.ts";
import type { SentencePieceModel } from "../formats/sentencepiece-model.ts";
import type { SentencePieceParts } from "../formats/sentencepiece-parts.ts";
import {
  prefixMayGoOn,
  sentencePieceNormalizer,
  takePrefix,
} from "../normalizers/sentencepiece.ts";
import { TokenBuffer } from "../token-buffer.ts";
import type { CutRule, PartEncoder } from "./cut-rule.ts";

const SPACE = "\u2581";

/**
 * Whether parts of a text can be cut by a model. Not if it puts a space after the text, nor if it
 * joins unknown words or takes pieces apart in a way that depends on all of the text.
 */
export function isCuttable({ algorithm, spaceAsSuffix, pieces }: SentencePieceModel): boolean {
  if (spaceAsSuffix || algorithm === "word") return false;
  return algorithm !== "bpe" || pieces.every(({ type }) => type !== "unused");
}

/**
 * Cuts of a sentencepiece model, which knows no words: a text is one piece.
 *
 * A place is a cut if (1) no rule of the character map and no symbol reads across it, (2) no piece has
 * the two characters of normalized text that it lies between side by side, so that every way to
 * segment the text ends a piece there, and (3) one of them is a piece, so that no unknown run goes
 * across. Between words these hold for all models that were trained on words.
 *
 * A unigram model sums scores in 32 bits over the whole text, so the sum is carried from part to part.
 *
 * Memory: two strings of two characters for each pair inside pieces, made on first use.
 */
export class SentencePieceCuts implements CutRule {
  readonly #model: SentencePieceModel;
  readonly #parts: SentencePieceParts;
  readonly #tokens: AddedTokens;
  /** Neighbours inside a piece, and characters that are pieces. */
  #inside: { readonly pairs: ReadonlySet<string>; readonly known: ReadonlySet<string> } | null =
    null;

  constructor(model: SentencePieceModel, parts: SentencePieceParts, tokens: AddedTokens) {
    this.#model = model;
    this.#parts = parts;
    this.#tokens = tokens;
  }

  lastCut(text: string, special: "parse" | "text" = "parse"): number {
    // A high surrogate at the end may be completed by what follows: it is not looked at yet.
    const source = toWellFormed(/[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text);
    let place = 0;
    this.#tokens.split(source, special === "parse", (id, start, end) => {
      const found = id < 0 ? this.#lastIn(source.slice(start, end)) : 0;
      if (found > 0) place = start + found;
    });
    return place;
  }

  readonly openParts = (special: "parse" | "text" = "parse"): PartEncoder => {
    const { rules, model } = this.#parts;
    const normalizers = [sentencePieceNormalizer(rules), sentencePieceNormalizer(rules, true)];
    const score = { value: 0 };
    let begun = 0;
    return (part) => {
      const out = new TokenBuffer(false);
      const source = toWellFormed(part);
      this.#tokens.split(source, special === "parse", (id, start, end) => {
        if (id < 0) {
          if (begun === 0) score.value = 0;
          const { text } = normalizers[begun]!(source.slice(start, end), false);
          model.encodeNext(text, out, score);
        } else out.push(id, start, end);
        // What follows a control token is a text of its own.
        begun = id < 0 ? 1 : 0;
      });
      return out.ids.slice(0, out.length);
    };
  };

  /** The last cut of a stretch without control tokens. */
  #lastIn(text: string): number {
    const { rules } = this.#parts;
    let before = "";
    let place = 0;
    for (let at = 0; at < text.length && !prefixMayGoOn(text, at, rules);) {
      const [part, length] = takePrefix(text, at, rules);
      if (part !== "") {
        const written = rules.escapeSpaces ? part.replaceAll(" ", SPACE) : part;
        if (before !== "" && this.#isCut(before, firstOf(written), text, at)) place = at;
        before = lastOf(written);
      }
      at += length;
    }
    return place;
  }

  /** Whether `at` is a cut, where normalized text has `before` and `after`. */
  #isCut(before: string, after: string, text: string, at: number): boolean {
    if (this.#parts.rules.removeExtraSpaces && (before === SPACE || before === " ")) return false;
    this.#inside ??= lookInside(this.#model);
    const { pairs, known } = this.#inside;
    if (pairs.has(before + after) || !(known.has(before) || known.has(after))) return false;
    const left = String.fromCodePoint(codePointBefore(text, at));
    return !this.#tokens.readsAcross(left, firstOf(text.slice(at, at + 2)));
  }
}

function lookInside({ pieces }: SentencePieceModel): {
  pairs: ReadonlySet<string>;
  known: ReadonlySet<string>;
} {
  const pairs = new Set<string>();
  const known = new Set<string>();
  for (const { piece, type } of pieces) {
    if (type !== "normal" && type !== "user-defined") continue;
    const letters = Array.from(piece);
    if (letters.length === 1) known.add(piece);
    for (let i = 1; i < letters.length; i++) pairs.add(letters[i - 1]! + letters[i]!);
  }
  return { pairs, known };
}

function firstOf(text: string): string {
  return String.fromCodePoint(text.codePointAt(0)!);
}

function lastOf(text: string): string {
  return String.fromCodePoint(codePointBefore(text, text.length));
}
