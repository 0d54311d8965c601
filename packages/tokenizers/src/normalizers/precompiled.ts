import { codePointBefore } from "../character-classes.ts";
import { OriginBuilder } from "../origin-builder.ts";
import { utf8Length } from "../utf8.ts";
import type { Charsmap } from "./charsmap.ts";
import type { Normalized, Normalizer } from "./normalizer.ts";

/** Bytes from which on a cluster is only looked at character by character. */
const LONG_CLUSTER = 6;

/**
 * Text beyond ASCII with a neighbour on each side: only there do clusters have several characters,
 * but for a line end.
 */
const CLUSTERED = /(?:(?:\r\n|[\0-\x7f])?[^\0-\x7f]+)+(?:\r\n|[\0-\x7f])?|\r\n/gu;

/**
 * Rewrites text by a compiled character map, as huggingface/tokenizers does it.
 *
 * The text is taken cluster by cluster, a cluster being what a reader sees as one character. The
 * shortest key that begins a short cluster replaces all of it, and what follows the key is lost;
 * otherwise each character is looked up alone. Sentencepiece takes the longest key instead.
 *
 * Cost: O(length).
 *
 * @see `Precompiled` in huggingface/tokenizers (3ba8ad0): tokenizers/src/normalizers/precompiled.rs
 */
export function precompiledNormalizer(map: Charsmap): Normalizer {
  const segmenter = new Intl.Segmenter("und", { granularity: "grapheme" });
  return (text, withOrigin) => {
    const out = new Rewriter(text, withOrigin);
    const rewriteCharacters = (start: number, end: number): void => {
      for (let i = start; i < end;) {
        const next = i + (text.codePointAt(i)! >= 0x10000 ? 2 : 1);
        const rule = map.shortest(text, i, next);
        if (rule === null) out.keep(i, next);
        else out.replace(i, next, rule.replacement);
        i = next;
      }
    };
    let done = 0;
    for (const match of text.matchAll(CLUSTERED)) {
      rewriteCharacters(done, match.index);
      for (const { segment, index } of segmenter.segment(match[0])) {
        const start = match.index + index;
        const end = start + segment.length;
        const rule = utf8Length(segment) < LONG_CLUSTER ? map.shortest(text, start, end) : null;
        if (rule === null) rewriteCharacters(start, end);
        else out.replace(start, end, rule.replacement);
      }
      done = match.index + match[0].length;
    }
    rewriteCharacters(done, text.length);
    return out.finish();
  };
}

/**
 * Collects the new text; for origins, how many source characters each new one takes: 1 the next one,
 * 0 none, being inserted, 1 + k the next one and k more that leave their range to nobody.
 */
class Rewriter {
  readonly #source: string;
  readonly #withOrigin: boolean;
  readonly #characters: string[] = [];
  readonly #takes: number[] = [];
  #text = "";

  constructor(source: string, withOrigin: boolean) {
    this.#source = source;
    this.#withOrigin = withOrigin;
  }

  keep(start: number, end: number): void {
    const character = this.#source.slice(start, end);
    this.#text += character;
    if (this.#withOrigin) this.#add(character, 1);
  }

  replace(start: number, end: number, replacement: string): void {
    this.#text += replacement;
    if (!this.#withOrigin) return;
    let rest = 0;
    for (let i = start; i < end; i++) if (this.#source.codePointAt(i)! >= 0x10000) rest--;
    rest += end - start;
    for (const character of replacement) {
      this.#add(character, rest > 0 ? 1 : 0);
      rest--;
    }
    // As in the reference, what is left over goes to the last character, whoever put it there.
    if (rest > 0 && this.#takes.length > 0) this.#takes[this.#takes.length - 1]! += rest;
  }

  finish(): Normalized {
    if (!this.#withOrigin || this.#text === this.#source) return { text: this.#text, origin: null };
    const source = this.#source;
    const out = new OriginBuilder(this.#text.length);
    const sizeAt = (unit: number): number => (source.codePointAt(unit)! >= 0x10000 ? 2 : 1);
    let taken = 0;
    this.#characters.forEach((character, i) => {
      const takes = this.#takes[i]!;
      let start = taken;
      let end = taken;
      if (takes > 0) {
        end = taken + sizeAt(taken);
        for (let k = 0; k < takes; k++) taken += sizeAt(taken);
      } else if (start > 0) {
        start -= codePointBefore(source, start) >= 0x10000 ? 2 : 1;
      }
      out.put(character, start, end);
    });
    return out.finish();
  }

  #add(character: string, takes: number): void {
    this.#characters.push(character);
    this.#takes.push(takes);
  }
}
