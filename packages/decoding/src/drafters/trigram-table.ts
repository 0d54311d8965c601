import { InferenceError } from "@frugal/core";

import { expectRange } from "../sampling/sampling-options.ts";
import { NgramTable } from "./ngram-table.ts";

/** Options of {@link TrigramTable}. */
export interface TrigramTableOptions {
  /** Successors kept per pair, in [1, 64]. Default 12. */
  readonly width?: number;
  /** The most pairs, in [1, 2^24]; later ones are ignored. Default 2^20. */
  readonly maxPairs?: number;
}

const magic = 0x4754_5346;
const version = 1;
const headerBytes = 16;
const empty = 0xffff_ffff;
/** What a trigram of the text gains each time, and the most it can have. */
const gain = 0.04;
const ceiling = 3;

/**
 * For pairs of tokens, the likeliest next tokens with their weights, heaviest first (equal weights
 * by ascending id).
 *
 * Weights from texts are relative frequencies; those that a text in progress adds are not
 * renormalised and stop at 3. Rows of `width` entries lie in typed arrays, found by hashing the
 * pair: `8 width + 8` bytes per pair.
 *
 * The file has little-endian words: `"FSTG"`, version 1, width, pairs; then for each pair its two
 * ids, `width` ids (0xFFFFFFFF where there is none) and as many weights as float32.
 */
export class TrigramTable {
  readonly width: number;
  readonly #maxPairs: number;
  #pairs = 0;
  #keys = new Uint32Array(2 * 64);
  #tokens: Uint32Array<ArrayBuffer>;
  #weights: Float32Array<ArrayBuffer>;
  /** Row plus one; at most half full. */
  #slots = new Uint32Array(2 * 64);

  /** @throws {@link InferenceError} `range` for an option outside its interval. */
  constructor({ width = 12, maxPairs = 2 ** 20 }: TrigramTableOptions = {}) {
    const isWidth = Number.isInteger(width) && width >= 1 && width <= 64;
    expectRange("width", width, "an integer in [1, 64]", isWidth);
    const isCount = Number.isInteger(maxPairs) && maxPairs >= 1 && maxPairs <= 2 ** 24;
    expectRange("maxPairs", maxPairs, "an integer in [1, 2^24]", isCount);
    this.width = width;
    this.#maxPairs = maxPairs;
    this.#tokens = new Uint32Array(64 * width).fill(empty);
    this.#weights = new Float32Array(64 * width);
  }

  /**
   * The relative frequencies of the `width` most frequent successors of each pair of the texts.
   *
   * @throws {@link InferenceError} `range` for the id 2^32 - 1, which the table needs.
   */
  static fromTexts(texts: Iterable<Uint32Array>, options: TrigramTableOptions = {}): TrigramTable {
    const table = new TrigramTable(options);
    const counts = new NgramTable(2, 2 ** 27);
    const pairs = new TrigramTable({ width: 1, maxPairs: table.#maxPairs });
    for (const text of texts) {
      expectRange("texts", empty, "ids below 2^32 - 1", !text.includes(empty));
      counts.add(text);
      for (let i = 2; i < text.length; i++) pairs.#rowOrNew(text[i - 2]!, text[i - 1]!);
    }
    for (let row = 0; row < pairs.size; row++) {
      const a = pairs.#keys[2 * row]!;
      const b = pairs.#keys[2 * row + 1]!;
      const node = counts.after(counts.first(a), b);
      const made = table.#rowOrNew(a, b);
      counts.forEachNext(node, (child) => {
        const weight = counts.countOf(child) / counts.totalOf(node);
        table.#raise(made, counts.tokenOf(child), weight);
      });
    }
    return table;
  }

  /** How many pairs have successors. */
  get size(): number {
    return this.#pairs;
  }

  /** The row of a pair, or -1. */
  rowOf(a: number, b: number): number {
    return this.#slots[this.#slotOf(a, b)]! - 1;
  }

  /** The id of entry `i` of a row, or -1 past its end; the heaviest is entry 0. */
  tokenAt(row: number, i: number): number {
    const token = i < this.width ? this.#tokens[row * this.width + i]! : empty;
    return token === empty ? -1 : token;
  }

  weightAt(row: number, i: number): number {
    return this.#weights[row * this.width + i]!;
  }

  /**
   * Notes that `c` followed `a b` in the text: its weight grows by 0.04, to at most 3. A new one
   * takes the place of the lightest of a full row if that is lighter than it.
   */
  reinforce(a: number, b: number, c: number): void {
    const row = this.#rowOrNew(a, b);
    if (row < 0) return;
    let i = 0;
    while (i < this.width && this.tokenAt(row, i) !== c) i++;
    const before = i < this.width ? this.weightAt(row, i) : 0;
    this.#raise(row, c, Math.min(ceiling, before + gain));
  }

  /** The file. */
  toBytes(): Uint8Array {
    const { width } = this;
    const rowBytes = 8 + 8 * width;
    const bytes = new Uint8Array(headerBytes + rowBytes * this.#pairs);
    const view = new DataView(bytes.buffer);
    const words = [magic, version, width, this.#pairs];
    for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
    for (let row = 0; row < this.#pairs; row++) {
      const offset = headerBytes + rowBytes * row;
      view.setUint32(offset, this.#keys[2 * row]!, true);
      view.setUint32(offset + 4, this.#keys[2 * row + 1]!, true);
      for (let i = 0; i < width; i++) {
        view.setUint32(offset + 8 + 4 * i, this.#tokens[row * width + i]!, true);
        view.setFloat32(offset + 8 + 4 * (width + i), this.weightAt(row, i), true);
      }
    }
    return bytes;
  }

  /**
   * Reads what {@link toBytes} wrote; checks every row.
   *
   * @throws {@link InferenceError} `format` for bytes that are no table; `range` for one of more
   *   than `maxPairs`.
   */
  static fromBytes(bytes: Uint8Array, maxPairs: number = 2 ** 20): TrigramTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    expectFormat("length", bytes.length, `at least ${headerBytes} bytes`, bytes.length >= 16);
    const word = (offset: number): number => view.getUint32(offset, true);
    expectFormat("magic", word(0), String(magic), word(0) === magic);
    expectFormat("version", word(4), String(version), word(4) === version);
    const width = word(8);
    expectFormat("width", width, "one in [1, 64]", width >= 1 && width <= 64);
    const rowBytes = 8 + 8 * width;
    const size = headerBytes + rowBytes * word(12);
    expectFormat("length", bytes.length, `${size} bytes`, bytes.length === size);
    expectRange("maxPairs", maxPairs, `at least ${word(12)}`, maxPairs >= word(12));
    const table = new TrigramTable({ width, maxPairs });
    for (let row = 0; row < word(12); row++) {
      const offset = headerBytes + rowBytes * row;
      const made = table.#rowOrNew(word(offset), word(offset + 4));
      expectFormat("pair", row, "pairs that differ", made === row);
      for (let i = 0; i < width; i++) {
        table.#tokens[row * width + i] = word(offset + 8 + 4 * i);
        const weight = view.getFloat32(offset + 8 + 4 * (width + i), true);
        table.#weights[row * width + i] = weight;
        table.#checkEntry(row, i);
      }
    }
    return table;
  }

  #checkEntry(row: number, i: number): void {
    const token = this.tokenAt(row, i);
    const weight = this.weightAt(row, i);
    const isWeight = token < 0 ? Object.is(weight, 0) : weight > 0 && weight <= ceiling;
    expectFormat("weight", weight, `a number in (0, ${ceiling}]`, isWeight);
    if (i === 0 || token < 0) return;
    const before = this.weightAt(row, i - 1);
    const isLess = weight < before || (weight === before && token > this.tokenAt(row, i - 1));
    expectFormat("order", weight, `weights that fall from ${before}`, isLess);
    for (let j = 0; j < i; j++) {
      expectFormat("id", token, "ids that differ in a row", this.tokenAt(row, j) !== token);
    }
  }

  /** Gives a token a weight that is no less than it has, and its place in the row. */
  #raise(row: number, token: number, weight: number): void {
    const start = row * this.width;
    const rounded = Math.fround(weight);
    let i = 0;
    while (i < this.width - 1 && this.#tokens[start + i] !== token) i++;
    const isLightest = this.#tokens[start + i] !== token && this.#tokens[start + i] !== empty;
    if (isLightest && !this.#isBefore(token, rounded, start + i)) return;
    while (i > 0 && this.#isBefore(token, rounded, start + i - 1)) {
      this.#tokens[start + i] = this.#tokens[start + i - 1]!;
      this.#weights[start + i] = this.#weights[start + i - 1]!;
      i--;
    }
    this.#tokens[start + i] = token;
    this.#weights[start + i] = rounded;
  }

  #isBefore(token: number, weight: number, entry: number): boolean {
    const other = this.#weights[entry]!;
    return weight > other || (weight === other && token < this.#tokens[entry]!);
  }

  #rowOrNew(a: number, b: number): number {
    const slot = this.#slotOf(a, b);
    const found = this.#slots[slot]! - 1;
    if (found >= 0 || this.#pairs === this.#maxPairs) return found;
    const made = this.#pairs++;
    this.#keys[2 * made] = a;
    this.#keys[2 * made + 1] = b;
    this.#slots[slot] = made + 1;
    if (2 * this.#pairs === this.#keys.length) this.#grow();
    return made;
  }

  #slotOf(a: number, b: number): number {
    const mask = this.#slots.length - 1;
    const hash = Math.imul(a ^ Math.imul(b ^ 0x9e37_79b9, 0x85eb_ca6b), 0xc2b2_ae35);
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (;;) {
      const row = this.#slots[slot]! - 1;
      if (row < 0 || (this.#keys[2 * row] === a && this.#keys[2 * row + 1] === b)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const keys = new Uint32Array(2 * this.#keys.length);
    keys.set(this.#keys);
    this.#keys = keys;
    const tokens = new Uint32Array(2 * this.#tokens.length).fill(empty);
    tokens.set(this.#tokens);
    this.#tokens = tokens;
    const weights = new Float32Array(2 * this.#weights.length);
    weights.set(this.#weights);
    this.#weights = weights;
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (let row = 0; row < this.#pairs; row++) {
      this.#slots[this.#slotOf(keys[2 * row]!, keys[2 * row + 1]!)] = row + 1;
    }
  }
}

function expectFormat(what: string, got: number, expected: string, valid: boolean): void {
  if (valid) return;
  throw new InferenceError("format", `trigram table ${what}: expected ${expected}, got ${got}`);
}
