import { byteAlphabet } from "../byte-alphabet.ts";
import type { TokenBuffer } from "../token-buffer.ts";
import { utf8Length, writeUtf8 } from "../utf8.ts";
import { mergeLong, mergeShort } from "./bpe-merge.ts";
import type { PairTable } from "./pair-table.ts";
import { PieceCache } from "./piece-cache.ts";

/** Longest piece, in symbols, that the quadratic merge handles; it was the faster one up to 90. */
const SHORT_PIECE = 64;
/** Longest piece, in UTF-16 units, that is remembered. */
const LONGEST_CACHED = 32;
const CACHED_PIECES = 10_000;

/** What a {@link ByteLevelBpe} is built from. */
export interface ByteLevelBpeInit {
  /** Token strings in the byte alphabet. Kept, not copied. */
  readonly vocab: ReadonlyMap<string, number>;
  readonly pairs: PairTable;
  /** A piece that is itself a token is not merged at all. */
  readonly ignoreMerges: boolean;
}

/**
 * Byte-pair encoding over bytes.
 *
 * A piece starts as one symbol per UTF-8 byte; then the pair of lowest rank, leftmost first, is
 * merged until none is left. A byte that the vocabulary lacks is dropped, as in the reference.
 *
 * Cost: O(n²) for n up to 64 bytes, O(n log n) above; recent pieces are remembered (20,000 at most).
 * An instance keeps scratch buffers, so it must not be entered twice at once.
 *
 * @see `BPE` in huggingface/tokenizers (3ba8ad0): tokenizers/src/models/bpe/model.rs
 */
export class ByteLevelBpe {
  readonly #vocab: ReadonlyMap<string, number>;
  readonly #pairs: PairTable;
  readonly #ignoreMerges: boolean;
  readonly #alphabet = byteAlphabet();
  /** Token of each byte, -1 where there is none. */
  readonly #byteTokens: Int32Array;
  readonly #cache = new PieceCache(CACHED_PIECES);
  readonly #bytes = new Uint8Array(3 * LONGEST_CACHED);
  readonly #symbols = new Uint32Array(3 * LONGEST_CACHED);
  readonly #ranks = new Uint32Array(SHORT_PIECE);

  constructor(init: ByteLevelBpeInit) {
    this.#vocab = init.vocab;
    this.#pairs = init.pairs;
    this.#ignoreMerges = init.ignoreMerges;
    this.#byteTokens = Int32Array.from(this.#alphabet, (c) => init.vocab.get(c) ?? -1);
  }

  /** Appends the ids of `piece`, without ranges. */
  encode(piece: string, out: TokenBuffer): void {
    if (piece.length > LONGEST_CACHED) {
      out.pushIds(this.#encodeLong(piece));
      return;
    }
    let ids = this.#cache.get(piece);
    if (ids === undefined) {
      ids = this.#encode(piece, this.#bytes, this.#symbols).slice();
      this.#cache.set(piece, ids);
    }
    if (ids.length === 1) out.pushId(ids[0]!);
    else out.pushIds(ids);
  }

  #encodeLong(piece: string): Uint32Array {
    const size = utf8Length(piece);
    return this.#encode(piece, new Uint8Array(size), new Uint32Array(size));
  }

  /** Ids of `piece`, as a view of `symbols`. */
  #encode(piece: string, bytes: Uint8Array, symbols: Uint32Array): Uint32Array {
    const size = writeUtf8(piece, bytes);
    if (this.#ignoreMerges) {
      const whole = this.#wholeToken(bytes, size);
      if (whole !== undefined) {
        symbols[0] = whole;
        return symbols.subarray(0, 1);
      }
    }
    let count = 0;
    for (let i = 0; i < size; i++) {
      const token = this.#byteTokens[bytes[i]!]!;
      if (token >= 0) symbols[count++] = token;
    }
    count =
      count <= SHORT_PIECE
        ? mergeShort(symbols, count, this.#pairs, this.#ranks)
        : mergeLong(symbols, count, this.#pairs);
    return symbols.subarray(0, count);
  }

  #wholeToken(bytes: Uint8Array, size: number): number | undefined {
    let token = "";
    for (let i = 0; i < size; i++) token += this.#alphabet[bytes[i]!]!;
    return this.#vocab.get(token);
  }
}
