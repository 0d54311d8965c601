import { InferenceError } from "@frugal/core";
import type { TokenBuffer } from "../token-buffer.ts";
import { utf8Length, writeUtf8 } from "../utf8.ts";
import { findBestPath } from "./best-path.ts";
import type { ScoredPieces } from "./lattice.ts";
import type { Model } from "./model.ts";
import { TokenTrie } from "./token-trie.ts";

/** How much less than the worst piece an unknown character is worth. */
const UNKNOWN_PENALTY = 10;

/** What a {@link Unigram} is built from. */
export interface UnigramInit {
  /** Pieces by id, with their log probabilities. */
  readonly pieces: readonly (readonly [piece: string, score: number])[];
  /** What stands for characters without a piece; null makes them an error. */
  readonly unknownId: number | null;
  /** Whether such characters become their bytes, `<0xE9>`, if all of them are pieces. */
  readonly byteFallback: boolean;
}

/**
 * The most probable segmentation under independent pieces.
 *
 * Neighbouring unknown characters, and the unknown piece where the text spells it, become one string
 * that is looked up once more, then taken apart into bytes, then replaced by the unknown piece.
 *
 * Cost: O(length × longest piece).
 *
 * @see `Unigram` in huggingface/tokenizers (3ba8ad0): tokenizers/src/models/unigram/model.rs
 */
export class Unigram implements Model {
  readonly #ids = new Map<string, number>();
  readonly #scored: ScoredPieces;
  readonly #unknownId: number | null;
  readonly #byteTokens: readonly (number | undefined)[];

  constructor({ pieces, unknownId, byteFallback }: UnigramInit) {
    const trie = new TokenTrie();
    let lowest = Infinity;
    pieces.forEach(([piece, score], id) => {
      this.#ids.set(piece, id);
      if (piece !== "") trie.set(piece, id);
      lowest = Math.min(lowest, score);
    });
    const scores = Float64Array.from(pieces, ([, score]) => score);
    this.#scored = { trie, scores, unknownScore: lowest - UNKNOWN_PENALTY, rounds: false };
    this.#unknownId = unknownId;
    this.#byteTokens = Array.from({ length: byteFallback ? 256 : 0 }, (_, byte) =>
      this.#ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
    );
  }

  /** @throws {@link InferenceError} `range` for a character without a piece if there is no unknown. */
  encode(piece: string, out: TokenBuffer): void {
    const path = findBestPath(piece, this.#scored);
    let start = 0;
    let isPending = false;
    for (let i = 0; i < path.count; i++) {
      const id = path.ids[i]!;
      const isUnknown = id < 0 || id === this.#unknownId;
      const from = i === 0 ? 0 : path.ends[i - 1]!;
      if (isPending && !isUnknown) this.#pushUnknown(piece, start, from, out);
      if (isUnknown && !isPending) start = from;
      if (!isUnknown) out.push(id, from, path.ends[i]!);
      isPending = isUnknown;
    }
    if (isPending) this.#pushUnknown(piece, start, piece.length, out);
  }

  #pushUnknown(text: string, start: number, end: number, out: TokenBuffer): void {
    const run = text.slice(start, end);
    if (this.#unknownId === null) {
      const got = JSON.stringify(String.fromCodePoint(run.codePointAt(0)!));
      const message = `text: expected characters that have a token, got ${got}`;
      throw new InferenceError("range", `${message}, and the model has no unknown token`);
    }
    const known = this.#ids.get(run);
    if (known !== undefined) out.push(known, start, end);
    else if (!this.#pushBytes(run, start, end, out)) out.push(this.#unknownId, start, end);
  }

  /** Appends the bytes of a run, each with the range of all of it, if every one is a piece. */
  #pushBytes(run: string, start: number, end: number, out: TokenBuffer): boolean {
    if (this.#byteTokens.length === 0) return false;
    const bytes = new Uint8Array(utf8Length(run));
    writeUtf8(run, bytes);
    if (bytes.some((byte) => this.#byteTokens[byte] === undefined)) return false;
    for (const byte of bytes) out.push(this.#byteTokens[byte]!, start, end);
    return true;
  }
}
