import { TokenBuffer } from "../token-buffer.ts";
import { utf8Length, utf8Size, writeUtf8 } from "../utf8.ts";
import { mergeWithDropout } from "./bpe-dropout.ts";
import { mergeLong, mergeShort } from "./bpe-merge.ts";
import type { Model } from "./model.ts";
import { MergeReach } from "./merge-reach.ts";
import type { PairTable } from "./pair-table.ts";
import { PieceCache } from "./piece-cache.ts";

/** Longest piece, in symbols, that the quadratic merge handles. */
const SHORT_PIECE = 64;
/** Longest piece, in UTF-16 units, that is remembered. */
const LONGEST_CACHED = 32;
const CACHED_PIECES = 10_000;
/** Units of longer pieces after which it pays to know where merges do not reach, some 10 ms. */
const WORTHWHILE = 10_000;

/** What a {@link Bpe} is built from. */
export interface BpeInit {
  /** Tokens and ids. Kept, not copied. */
  readonly vocab: ReadonlyMap<string, number>;
  readonly pairs: PairTable;
  /** A piece that is itself a token is not merged at all. */
  readonly ignoreMerges: boolean;
  /** Probability of passing over a merge. */
  readonly dropout: number;
  /** What stands for a character without a token; null drops it. The id is -1 if there is none. */
  readonly unknown: { readonly token: string; readonly id: number } | null;
  /** Whether neighbouring unknown characters become one token. */
  readonly fuseUnknown: boolean;
  /** Whether a character without a token becomes its bytes, `<0xE9>`, if all of them are tokens. */
  readonly byteFallback: boolean;
  /** Put before every character of a piece but the first. */
  readonly prefix: string;
  /** Put after the last character of a piece. */
  readonly suffix: string;
}

/**
 * Byte-pair encoding over characters.
 *
 * Ranges are laid end to end over the piece, as in the reference: where a character was dropped, the
 * ranges after it shift back. An unknown token waits for the next character that has a token, and so
 * may come after bytes of the characters in between; that too is the reference's. With affixes and
 * byte fallback together, a character becomes its affixes' bytes too; where these push ranges beyond
 * the piece, the reference gives ranges of other text, and this one that of the last character.
 *
 * A long piece is merged in parts, between places that no merge reaches across, where that comes to
 * the same. Short pieces and parts are remembered (20,000 at most).
 *
 * Cost: O(n²) for n up to 64 characters, O(n log n) above. An instance keeps scratch buffers, so it
 * must not be entered twice at once.
 *
 * @see `BPE` in huggingface/tokenizers (3ba8ad0): tokenizers/src/models/bpe/model.rs
 */
export class Bpe implements Model {
  readonly #init: BpeInit;
  readonly #byteTokens: Int32Array;
  readonly #ranks = new Uint32Array(SHORT_PIECE);
  /** Three numbers for each token: its id and its range in the piece. */
  readonly #cache = new PieceCache(CACHED_PIECES);
  readonly #scratch = new TokenBuffer(true);
  #reach: MergeReach | null = null;
  #longUnits = 0;

  constructor(init: BpeInit) {
    this.#init = init;
    this.#byteTokens = Int32Array.from({ length: init.byteFallback ? 256 : 0 }, (_, byte) => {
      const code = byte.toString(16).toUpperCase().padStart(2, "0");
      return init.vocab.get(`<0x${code}>`) ?? -1;
    });
  }

  encode(piece: string, out: TokenBuffer, random?: () => number): void {
    const { vocab, pairs, dropout } = this.#init;
    if (dropout > 0 && random !== undefined) {
      this.#encode(piece, 0, out, random);
    } else if (piece.length <= LONGEST_CACHED) {
      this.#encodeShort(piece, 0, out);
    } else if ((this.#longUnits += piece.length) > WORTHWHILE && this.#mayCut()) {
      this.#reach ??= new MergeReach(vocab, pairs);
      this.#reach.cut(piece, (start, end) => {
        const part = piece.slice(start, end);
        if (part.length <= LONGEST_CACHED) this.#encodeShort(part, start, out);
        else this.#encode(part, start, out);
      });
    } else {
      this.#encode(piece, 0, out);
    }
  }

  /** Whether nothing but merges depends on what else is in a piece. */
  #mayCut(): boolean {
    const { ignoreMerges, prefix, suffix, unknown, byteFallback } = this.#init;
    if (ignoreMerges || prefix !== "" || suffix !== "") return false;
    // Where a character can be dropped, the ranges behind it shift.
    const hasBytes = byteFallback && this.#byteTokens.every((id) => id >= 0);
    return hasBytes || (unknown !== null && unknown.id >= 0);
  }

  /** Appends what becomes of a piece that begins at `base`, and remembers it. */
  #encodeShort(piece: string, base: number, out: TokenBuffer): void {
    let tokens = this.#cache.get(piece);
    if (tokens === undefined) {
      const found = this.#scratch;
      found.length = 0;
      this.#encode(piece, 0, found);
      tokens = new Uint32Array(3 * found.length);
      for (let i = 0; i < found.length; i++) {
        tokens[3 * i] = found.ids[i]!;
        tokens[3 * i + 1] = found.offsets![2 * i]!;
        tokens[3 * i + 2] = found.offsets![2 * i + 1]!;
      }
      this.#cache.set(piece, tokens);
    }
    for (let i = 0; i < tokens.length; i += 3) {
      out.push(tokens[i]!, base + tokens[i + 1]!, base + tokens[i + 2]!);
    }
  }

  #encode(piece: string, base: number, out: TokenBuffer, random?: () => number): void {
    const { vocab, pairs, ignoreMerges, dropout } = this.#init;
    const whole = ignoreMerges ? vocab.get(piece) : undefined;
    if (whole !== undefined) {
      out.push(whole, base, base + piece.length);
      return;
    }
    const symbols = this.#symbolsOf(piece);
    let count = symbols.count;
    if (dropout > 0 && random !== undefined) {
      const draw = (): boolean => random() < dropout;
      count = mergeWithDropout(symbols.ids, count, pairs, symbols.starts, draw);
    } else if (count <= SHORT_PIECE) {
      count = mergeShort(symbols.ids, count, pairs, this.#ranks, symbols.starts);
    } else {
      count = mergeLong(symbols.ids, count, pairs, symbols.starts);
    }
    if (out.offsets === null) {
      for (let i = 0; i < count; i++) out.pushId(symbols.ids[i]!);
      return;
    }
    symbols.starts[count] = symbols.size;
    pushRanges(piece, base, symbols.ids.subarray(0, count), symbols.starts, out);
  }

  /** The symbols before any merge, and the byte each starts at. */
  #symbolsOf(piece: string): SymbolList {
    const { vocab, unknown, fuseUnknown, prefix, suffix } = this.#init;
    const symbols = new SymbolList(piece.length);
    let pending = 0;
    for (let i = 0; i < piece.length;) {
      const codePoint = piece.codePointAt(i)!;
      const end = codePoint >= 0x10000 ? i + 2 : i + 1;
      let symbol = piece.slice(i, end);
      if (i > 0 && prefix !== "") symbol = prefix + symbol;
      if (end === piece.length && suffix !== "") symbol += suffix;
      i = end;

      const size = utf8Size(codePoint);
      const id = vocab.get(symbol);
      if (id !== undefined) {
        if (pending > 0) symbols.add(unknown!.id, pending);
        pending = 0;
        symbols.add(id, size);
      } else if (!this.#addBytes(symbol, symbols) && unknown !== null && unknown.id >= 0) {
        if (pending > 0 && !fuseUnknown) {
          symbols.add(unknown.id, pending);
          pending = 0;
        }
        pending += size;
      }
    }
    if (pending > 0) symbols.add(unknown!.id, pending);
    return symbols;
  }

  /** Adds the bytes of a symbol if each has a token. */
  #addBytes(symbol: string, symbols: SymbolList): boolean {
    if (this.#byteTokens.length === 0) return false;
    const bytes = new Uint8Array(utf8Length(symbol));
    writeUtf8(symbol, bytes);
    if (bytes.some((byte) => this.#byteTokens[byte]! < 0)) return false;
    for (const byte of bytes) symbols.add(this.#byteTokens[byte]!, 1);
    return true;
  }
}

/** Symbols laid end to end. */
class SymbolList {
  ids: Uint32Array;
  /** Byte each symbol starts at; one more entry than symbols. */
  starts: Uint32Array;
  count = 0;
  size = 0;

  constructor(capacity: number) {
    this.ids = new Uint32Array(capacity);
    this.starts = new Uint32Array(capacity + 1);
  }

  add(id: number, size: number): void {
    if (this.count === this.ids.length) {
      const ids = new Uint32Array(2 * this.count + 4);
      const starts = new Uint32Array(ids.length + 1);
      ids.set(this.ids);
      starts.set(this.starts);
      this.ids = ids;
      this.starts = starts;
    }
    this.starts[this.count] = this.size;
    this.ids[this.count++] = id;
    this.size += size;
  }
}

/**
 * Appends tokens that cover bytes of `piece`, which begins at `base`, as ranges of the characters
 * that hold those bytes. Bytes of affixes come on top of those of the piece; what they push beyond
 * its end has the range of its last character.
 */
function pushRanges(
  piece: string,
  base: number,
  ids: Uint32Array,
  starts: Uint32Array,
  out: TokenBuffer,
): void {
  let unit = 0;
  let reached = 0;
  const characterAt = (byte: number): number => {
    for (;;) {
      const size = utf8Size(piece.codePointAt(unit)!);
      const next = unit + (size === 4 ? 2 : 1);
      if (reached + size > byte || next >= piece.length) return unit;
      reached += size;
      unit = next;
    }
  };
  ids.forEach((id, i) => {
    const start = characterAt(starts[i]!);
    const last = characterAt(Math.max(starts[i]!, starts[i + 1]! - 1));
    const end = last + (piece.codePointAt(last)! >= 0x10000 ? 2 : 1);
    out.push(id, base + start, base + end);
  });
}
