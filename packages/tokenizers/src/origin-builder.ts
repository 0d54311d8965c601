import type { Normalized } from "./normalizers/normalizer.ts";

/**
 * Builds a rewritten text together with the way back, character by character.
 *
 * What is put takes the range of the source units it is put for; what is not put for leaves its
 * range to nobody.
 */
export class OriginBuilder {
  #text = "";
  #starts: Uint32Array;
  #ends: Uint32Array;

  constructor(capacity: number) {
    this.#starts = new Uint32Array(capacity + 8);
    this.#ends = new Uint32Array(capacity + 8);
  }

  /** Appends `text`, all of which stands for the source from `start` up to `end`. */
  put(text: string, start: number, end: number): void {
    const from = this.#text.length;
    const to = from + text.length;
    if (to > this.#starts.length) {
      this.#starts = grow(this.#starts, to);
      this.#ends = grow(this.#ends, to);
    }
    this.#starts.fill(start, from, to);
    this.#ends.fill(end, from, to);
    this.#text += text;
  }

  /** Takes over the source as it is, from `start` up to `end`, characters and all. */
  copy(source: string, start: number, end: number): void {
    for (let i = start; i < end;) {
      const next = i + (source.codePointAt(i)! >= 0x10000 ? 2 : 1);
      this.put(source.slice(i, next), i, next);
      i = next;
    }
  }

  /** The text and its origin. The builder must not be used any more. */
  finish(): Normalized {
    const length = this.#text.length;
    return {
      text: this.#text,
      origin: { starts: this.#starts.subarray(0, length), ends: this.#ends.subarray(0, length) },
    };
  }
}

function grow(column: Uint32Array, needed: number): Uint32Array {
  const grown = new Uint32Array(Math.max(needed, 2 * column.length));
  grown.set(column);
  return grown;
}
