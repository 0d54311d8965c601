import { InferenceError } from "@frugal/core";

/** Longest replacement, in bytes; the longest one of Unicode has 33. */
const LONGEST = 1024;

/** A rule that applies at some place: how many UTF-16 units it takes, and what it puts there. */
export interface CharsmapRule {
  readonly length: number;
  readonly replacement: string;
}

/**
 * The rules of a compiled character map, as sentencepiece writes it.
 *
 * The map is a double array over UTF-8 bytes: unit `u` has the label `u & 0x800000ff`, may have a
 * leaf, and points to its children; a leaf is the offset of a NUL-terminated replacement.
 *
 * @see google/sentencepiece (2734490): src/normalizer.cc
 */
export class Charsmap {
  readonly #units: Uint32Array;
  readonly #text: Uint8Array;
  readonly #replacements = new Map<number, string>();
  /** 1 for characters of ASCII that begin no rule. */
  readonly #isInert = new Uint8Array(128);

  /** @throws {@link InferenceError} `format` if the sizes in the blob are not those of a map. */
  constructor(blob: Uint8Array, place: string) {
    const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
    const size = blob.length >= 4 ? view.getUint32(0, true) : -1;
    if (size < 4 || size % 4 !== 0 || size > blob.length - 4) {
      const expected = "expected a character map of 4 bytes, its double array and replacements";
      throw new InferenceError("format", `${place}: ${expected}, got ${blob.length} bytes`);
    }
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#text = blob.slice(4 + size);
    const root = childrenOf(this.#units[0]!);
    for (let c = 0; c < 128; c++) this.#isInert[c] = this.#child(root, c) < 0 ? 1 : 0;
  }

  /** The rule with the longest key that is a prefix of `text` from `at` on; null without one. */
  longest(text: string, at: number): CharsmapRule | null {
    return this.#match(text, at, text.length, true);
  }

  /** The rule with the shortest key that is a prefix of `text` from `at` to `end`. */
  shortest(text: string, at: number, end: number): CharsmapRule | null {
    return this.#match(text, at, end, false);
  }

  /** Whether a key could begin at `at` and go on beyond the end of `text`. */
  mayGoOn(text: string, at: number): boolean {
    let base = childrenOf(this.#units[0]!);
    for (let i = at; i < text.length;) {
      const codePoint = text.codePointAt(i)!;
      i += codePoint >= 0x10000 ? 2 : 1;
      for (let shift = leadShift(codePoint); shift >= 0; shift -= 6) {
        const next = this.#child(base, byteAt(codePoint, shift));
        if (next < 0) return false;
        base = next ^ childrenOf(this.#units[next]!);
      }
    }
    return true;
  }

  #match(text: string, at: number, end: number, longest: boolean): CharsmapRule | null {
    const first = text.charCodeAt(at);
    if (first < 128 && this.#isInert[first] === 1) return null;
    let base = childrenOf(this.#units[0]!);
    let length = 0;
    let value = -1;
    for (let i = at; i < end;) {
      const codePoint = text.codePointAt(i)!;
      i += codePoint >= 0x10000 ? 2 : 1;
      let unit = 0;
      for (let shift = leadShift(codePoint); shift >= 0; shift -= 6) {
        const next = this.#child(base, byteAt(codePoint, shift));
        if (next < 0) return this.#rule(length, value);
        unit = this.#units[next]!;
        base = next ^ childrenOf(unit);
      }
      if (((unit >>> 8) & 1) === 0 || base >= this.#units.length) continue;
      length = i - at;
      value = this.#units[base]! & 0x7fffffff;
      if (!longest) break;
    }
    return this.#rule(length, value);
  }

  /** Index of the child by `byte` of the node whose children begin at `base`; -1 without one. */
  #child(base: number, byte: number): number {
    const at = (base ^ byte) >>> 0;
    if (at >= this.#units.length) return -1;
    return (this.#units[at]! & 0x800000ff) >>> 0 === byte ? at : -1;
  }

  #rule(length: number, value: number): CharsmapRule | null {
    if (value < 0) return null;
    let replacement = this.#replacements.get(value);
    if (replacement === undefined) {
      replacement = this.#readText(value);
      this.#replacements.set(value, replacement);
    }
    return { length, replacement };
  }

  #readText(offset: number): string {
    let end = offset;
    while (end < this.#text.length && this.#text[end] !== 0) end++;
    if (end - offset > LONGEST) {
      const expected = `expected a replacement of at most ${LONGEST} bytes`;
      throw new InferenceError("format", `character map: ${expected}, got ${end - offset}`);
    }
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.#text.subarray(offset, end));
  }
}

/** Where the children of a unit are, relative to it. */
function childrenOf(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}

/** How far the first byte's bits of a code point are to the right in UTF-8. */
function leadShift(codePoint: number): number {
  return codePoint < 0x80 ? 0 : codePoint < 0x800 ? 6 : codePoint < 0x10000 ? 12 : 18;
}

/** The byte of a code point's UTF-8 form that holds the bits from `shift` on. */
function byteAt(codePoint: number, shift: number): number {
  const lead = leadShift(codePoint);
  if (shift < lead) return 0x80 | ((codePoint >> shift) & 0x3f);
  if (lead === 0) return codePoint;
  return (lead === 6 ? 0xc0 : lead === 12 ? 0xe0 : 0xf0) | (codePoint >> shift);
}
