import type { SentencePieceModel } from "../formats/sentencepiece-model.ts";
import { longestKey } from "../normalizers/sentencepiece.ts";
import type { TokenBuffer } from "../token-buffer.ts";
import { utf8Length, writeUtf8 } from "../utf8.ts";
import { findBestPath } from "./best-path.ts";
import type { ScoredPieces } from "./lattice.ts";
import type { Model } from "./model.ts";
import { ScoreBpe } from "./score-bpe.ts";
import { TokenTrie } from "./token-trie.ts";

/** What a sum of scores over the parts of a text has come to. */
export interface RunningScore {
  value: number;
}

/** Cuts normalized text into pieces; returns their ends. */
type Segmenter = (text: string, score: RunningScore) => ArrayLike<number>;

/**
 * A sentencepiece model: how it cuts normalized text, and which ids the pieces get.
 *
 * A character without a piece becomes its bytes, each with the range of the character, if the model
 * falls back to bytes; otherwise neighbouring ones become one unknown piece.
 *
 * Cost: O(length × longest piece) for unigram models, O(n log n) for byte-pair encoding.
 *
 * @see `SentencePieceProcessor::PopulateSentencePieceText` in google/sentencepiece (2734490):
 *   src/sentencepiece_processor.cc
 */
export class SentencePieceSegmenter implements Model {
  readonly #ids: ReadonlyMap<string, number>;
  readonly #unknownId: number;
  /** Id of each byte; empty unless characters fall back to bytes. */
  readonly #byteIds: readonly number[];
  readonly #segment: Segmenter;

  /** `ids` has all pieces, `unknownId` and, if the model falls back to bytes, all bytes. */
  constructor(
    model: SentencePieceModel,
    ids: ReadonlyMap<string, number>,
    unknownId: number,
    userDefined: TokenTrie | null,
  ) {
    this.#ids = ids;
    this.#unknownId = unknownId;
    this.#byteIds = Array.from({ length: model.byteFallback ? 256 : 0 }, (_, byte) =>
      ids.get(bytePiece(byte))!,
    );
    this.#segment = createSegmenter(model, userDefined);
  }

  encode(text: string, out: TokenBuffer): void {
    this.encodeNext(text, out, { value: 0 });
  }

  /** As `encode`, for a part of a text. `score` is that of the parts before it, and brought up to date. */
  encodeNext(text: string, out: TokenBuffer, score: RunningScore): void {
    this.pushPieces(text, this.#segment(text, score), out);
  }

  /** Appends the tokens of pieces that end where `ends` says. */
  pushPieces(text: string, ends: ArrayLike<number>, out: TokenBuffer): void {
    let unknownStart = -1;
    for (let i = 0, start = 0; i < ends.length; start = ends[i++]!) {
      const end = ends[i]!;
      const piece = text.slice(start, end);
      const id = this.#ids.get(piece) ?? this.#unknownId;
      const isUnknown = id === this.#unknownId;
      if (isUnknown && this.#byteIds.length > 0) {
        this.#pushBytes(piece, start, end, out);
      } else if (isUnknown) {
        if (unknownStart < 0) unknownStart = start;
        const isLast = i + 1 === ends.length || this.#isKnown(text.slice(end, ends[i + 1]));
        if (!isLast) continue;
        out.push(id, unknownStart, end);
        unknownStart = -1;
      } else {
        out.push(id, start, end);
      }
    }
  }

  #isKnown(piece: string): boolean {
    return (this.#ids.get(piece) ?? this.#unknownId) !== this.#unknownId;
  }

  #pushBytes(piece: string, start: number, end: number, out: TokenBuffer): void {
    const bytes = new Uint8Array(utf8Length(piece));
    writeUtf8(piece, bytes);
    for (const byte of bytes) out.push(this.#byteIds[byte]!, start, end);
  }
}

/** How a byte is spelled among the pieces. */
export function bytePiece(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

function createSegmenter(model: SentencePieceModel, userDefined: TokenTrie | null): Segmenter {
  switch (model.algorithm) {
    case "unigram":
      return unigramSegmenter(model);
    case "bpe":
      return bpeSegmenter(model, userDefined);
    case "char":
      return (text) => symbolsOf(text, userDefined).ends;
    default:
      return (text) => wordEnds(text, model.spaceAsSuffix);
  }
}

/**
 * Scores of the pieces of a unigram model by id, and the lowest of a normal one. `lengthOf` says how
 * long a symbol of the user's is, which the reference counts in bytes for the best path and in
 * characters otherwise.
 */
export function unigramScores(
  { pieces }: SentencePieceModel,
  lengthOf: (piece: string) => number = utf8Length,
): { readonly scores: Float64Array; readonly lowest: number } {
  const normal = pieces.filter(({ type }) => type === "normal");
  const lowest = normal.reduce((least, { score }) => Math.min(least, score), Infinity);
  const highest = normal.reduce((most, { score }) => Math.max(most, score), -Infinity);
  const scores = Float64Array.from(pieces, ({ piece, score, type }) =>
    // A symbol of the user's wins over everything made of pieces.
    type === "user-defined" ? Math.fround(lengthOf(piece) * highest) - 0.1 : score,
  );
  return { scores, lowest };
}

/** What a unigram model looks for in a text. */
export function unigramPieces(
  model: SentencePieceModel,
  lengthOf?: (piece: string) => number,
): ScoredPieces {
  const trie = new TokenTrie();
  model.pieces.forEach(({ piece, type }, id) => {
    if (type === "normal" || type === "user-defined") trie.set(piece, id);
  });
  const { scores, lowest } = unigramScores(model, lengthOf);
  return { trie, scores, unknownScore: Math.fround(lowest - 10), rounds: true };
}

function unigramSegmenter(model: SentencePieceModel): Segmenter {
  const pieces = unigramPieces(model);
  return (text, score) => {
    const { ends, total } = findBestPath(text, pieces, score.value);
    score.value = total;
    return ends;
  };
}

function bpeSegmenter(model: SentencePieceModel, userDefined: TokenTrie | null): Segmenter {
  const scores = new Map<string, number>();
  const unused = new Set<string>();
  for (const { piece, score, type } of model.pieces) {
    if (["normal", "user-defined", "unused"].includes(type)) scores.set(piece, score);
    if (type === "unused") unused.add(piece);
  }
  const bpe = new ScoreBpe({ scores, unused });
  return (text) => {
    const { ends, frozen } = symbolsOf(text, userDefined);
    return bpe.merge(text, ends, frozen);
  };
}

/** Characters and symbols of the user's, the latter frozen. */
function symbolsOf(
  text: string,
  userDefined: TokenTrie | null,
): { ends: number[]; frozen: boolean[] } {
  const ends: number[] = [];
  const frozen: boolean[] = [];
  for (let at = 0; at < text.length;) {
    const length = userDefined === null ? 0 : longestKey(userDefined, text, at);
    at += length > 0 ? length : text.codePointAt(at)! >= 0x10000 ? 2 : 1;
    ends.push(at);
    frozen.push(length > 0);
  }
  return { ends, frozen };
}

/** Words begin with the stand-in for a space, or end with it. */
function wordEnds(text: string, spaceAsSuffix: boolean): number[] {
  const ends: number[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== "\u2581") continue;
    const cut = spaceAsSuffix ? at + 1 : at;
    if (cut > 0 && cut < text.length) ends.push(cut);
  }
  if (text.length > 0) ends.push(text.length);
  return ends;
}
