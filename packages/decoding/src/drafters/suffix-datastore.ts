import { InferenceError } from "@frugal/core";

import { expectRange, isIndex } from "../sampling/sampling-options.ts";
import { buildSuffixArray } from "./suffix-array.ts";
import type { TokenView } from "./token-view.ts";

/** Where the end of a context occurs in a {@link SuffixDatastore}. */
export interface DatastoreMatch {
  /** How many tokens at the end of the context were found; 0 if not even the last one was. */
  readonly length: number;
  /** The occurrences: entries `[from, to)` of the suffix array. */
  readonly from: number;
  readonly to: number;
}

/** Ends every text; no id, so that no match and no continuation goes across. */
const separator = 0xffff_ffff;
const magic = 0x5344_5346;
const version = 1;
const headerBytes = 16;

/**
 * Texts as tokens, and a suffix array over them: where any phrase occurs, and what followed it.
 *
 * Looking up a phrase of m tokens among n costs O(m log n) and allocates nothing that grows. The
 * file has little-endian 32-bit words: `"FSDS"`, version 1, n, 0, then n tokens with 0xFFFFFFFF after
 * every text, then the n entries of the suffix array. Immutable; any number of drafters may share
 * one.
 *
 * @see He et al., "REST", arXiv:2311.08252; `docs/algorithms/suffix-drafting.md`
 */
export class SuffixDatastore {
  readonly #tokens: Uint32Array;
  readonly #suffixes: Uint32Array;

  private constructor(tokens: Uint32Array, suffixes: Uint32Array) {
    this.#tokens = tokens;
    this.#suffixes = suffixes;
  }

  /**
   * Indexes texts, in O(n log n).
   *
   * @throws {@link InferenceError} `range` for the id 2^32 - 1, which the file needs.
   */
  static fromTexts(texts: Iterable<Uint32Array>): SuffixDatastore {
    const all = [...texts];
    const tokens = new Uint32Array(all.reduce((sum, text) => sum + text.length + 1, 0));
    let filled = 0;
    for (const text of all) {
      expectRange("texts", separator, "ids below 2^32 - 1", !text.includes(separator));
      tokens.set(text, filled);
      filled += text.length;
      tokens[filled++] = separator;
    }
    return new SuffixDatastore(tokens, buildSuffixArray(tokens));
  }

  /**
   * Reads what {@link toBytes} wrote. Checks everything, in O(n): no file can make a later call fail.
   *
   * @throws {@link InferenceError} `format` for bytes that are no datastore.
   */
  static fromBytes(bytes: Uint8Array): SuffixDatastore {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    expectFormat("length", bytes.length, `at least ${headerBytes} bytes`, bytes.length >= 16);
    const found = view.getUint32(0, true);
    expectFormat("magic", found, String(magic), found === magic);
    const foundVersion = view.getUint32(4, true);
    expectFormat("version", foundVersion, String(version), foundVersion === version);
    const count = view.getUint32(8, true);
    const size = headerBytes + 8 * count;
    expectFormat("length", bytes.length, `${size} bytes`, bytes.length === size);
    const read = (offset: number): Uint32Array =>
      Uint32Array.from({ length: count }, (_, i) => view.getUint32(offset + 4 * i, true));
    const tokens = read(headerBytes);
    const suffixes = read(headerBytes + 4 * count);
    const end = tokens.at(-1) ?? separator;
    expectFormat("last token", end, "the end of a text", end === separator);
    checkOrder(tokens, suffixes);
    return new SuffixDatastore(tokens, suffixes);
  }

  /** How many tokens its texts have, with one more for each text. */
  get length(): number {
    return this.#tokens.length;
  }

  /** The file. */
  toBytes(): Uint8Array {
    const count = this.#tokens.length;
    const bytes = new Uint8Array(headerBytes + 8 * count);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, magic, true);
    view.setUint32(4, version, true);
    view.setUint32(8, count, true);
    for (let i = 0; i < count; i++) {
      view.setUint32(headerBytes + 4 * i, this.#tokens[i]!, true);
      view.setUint32(headerBytes + 4 * (count + i), this.#suffixes[i]!, true);
    }
    return bytes;
  }

  /**
   * The longest end of `context`, of at most `maxSpan` tokens, that occurs in the texts. Whatever
   * contains an occurring phrase is no more frequent, so the length is found by bisection.
   */
  match(context: TokenView, maxSpan: number): DatastoreMatch {
    let best: DatastoreMatch = { length: 0, from: 0, to: 0 };
    let tooLong = Math.min(maxSpan, context.length) + 1;
    while (tooLong - best.length > 1) {
      const length = (best.length + tooLong) >>> 1;
      const from = this.#lowerBound(context, length, false);
      const to = this.#lowerBound(context, length, true);
      if (from < to) best = { length, from, to };
      else tooLong = length;
    }
    return best;
  }

  /**
   * Calls `visit` for each token that follows the first `depth` tokens of the entries `[from, to)`,
   * which must agree in them, ascending, with the entries that go on like this.
   */
  forEachNext(
    from: number,
    to: number,
    depth: number,
    visit: (token: number, from: number, to: number) => void,
  ): void {
    let first = from;
    while (first < to) {
      const token = this.#tokens[this.#suffixes[first]! + depth]!;
      // Separators are the largest: nothing follows.
      if (token === separator) return;
      let low = first + 1;
      let high = to;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (this.#tokens[this.#suffixes[middle]! + depth]! > token) high = middle;
        else low = middle + 1;
      }
      visit(token, first, low);
      first = low;
    }
  }

  /** The first entry that does not sort before the phrase or, with `after`, that sorts after it. */
  #lowerBound(context: TokenView, length: number, after: boolean): number {
    let low = 0;
    let high = this.#suffixes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#compare(this.#suffixes[middle]!, context, length);
      if (order < 0 || (after && order === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Compares the tokens from `start` with the last `length` of the context; 0 if they begin so. */
  #compare(start: number, context: TokenView, length: number): number {
    const offset = context.length - length;
    for (let i = 0; i < length; i++) {
      const a = this.#tokens[start + i];
      const b = context.at(offset + i);
      if (a === undefined || a === separator) return a === undefined ? -1 : 1;
      if (a !== b) return a - b;
    }
    return 0;
  }
}

/** Throws unless `suffixes` is the suffix array: each follows its neighbour by token, then by rest. */
function checkOrder(tokens: Uint32Array, suffixes: Uint32Array): void {
  const count = tokens.length;
  const rank = new Int32Array(count + 1).fill(-1);
  for (const [i, start] of suffixes.entries()) {
    const isNew = isIndex(start, count) && rank[start] === -1;
    expectFormat("suffix array", start, `a permutation of ${count} indices`, isNew);
    rank[start] = i;
  }
  for (let i = 1; i < count; i++) {
    const before = suffixes[i - 1]!;
    const start = suffixes[i]!;
    const order = tokens[before]! - tokens[start]! || rank[before + 1]! - rank[start + 1]!;
    expectFormat("suffix array", start, `a larger suffix at entry ${i}`, order < 0);
  }
}

function expectFormat(what: string, got: number, expected: string, valid: boolean): void {
  if (valid) return;
  throw new InferenceError("format", `datastore ${what}: expected ${expected}, got ${got}`);
}
