import type { Normalized } from "../normalizers/normalizer.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";

/** A stretch of text on its way to the model. */
export interface Piece {
  readonly text: string;
  /** Where each UTF-16 unit of `text` comes from in the source; null if nobody asked. */
  readonly origin: { readonly starts: Uint32Array; readonly ends: Uint32Array } | null;
}

/** Cuts or rewrites one piece and emits what becomes of it, in order, never an empty piece. */
export type PieceStep = (piece: Piece, emit: (piece: Piece) => void) => void;

/** Normalized text as a piece whose ranges are in the source, where it begins at `base`. */
export function originalPiece(
  { text, origin }: Normalized,
  base: number,
  withOrigin: boolean,
): Piece {
  if (!withOrigin) return { text, origin: null };
  if (origin !== null) {
    const shift = (column: Uint32Array): Uint32Array =>
      base === 0 ? column : column.map((at) => at + base);
    return { text, origin: { starts: shift(origin.starts), ends: shift(origin.ends) } };
  }
  const starts = new Uint32Array(text.length);
  const ends = new Uint32Array(text.length);
  for (let i = 0; i < text.length;) {
    const next = i + (text.codePointAt(i)! >= 0x10000 ? 2 : 1);
    starts.fill(base + i, i, next);
    ends.fill(base + next, i, next);
    i = next;
  }
  return { text, origin: { starts, ends } };
}

/** The part of a piece from unit `start` up to `end`. Shares its storage. */
export function slicePiece(piece: Piece, start: number, end: number): Piece {
  const { text, origin } = piece;
  if (start === 0 && end === text.length) return piece;
  return {
    text: text.slice(start, end),
    origin:
      origin === null
        ? null
        : { starts: origin.starts.subarray(start, end), ends: origin.ends.subarray(start, end) },
  };
}

/** A piece with `prefix` in front, which shares the range of the first character. */
export function prefixPiece(piece: Piece, prefix: string): Piece {
  const { origin } = piece;
  const extend = (column: Uint32Array): Uint32Array => {
    const extended = new Uint32Array(column.length + prefix.length).fill(column[0]!);
    extended.set(column, prefix.length);
    return extended;
  };
  return {
    text: prefix + piece.text,
    origin: origin === null ? null : { starts: extend(origin.starts), ends: extend(origin.ends) },
  };
}

/** A pre-tokenizer that only cuts, as a step. */
export function cutStep(cut: PreTokenizer): PieceStep {
  return (piece, emit) =>
    cut(piece.text, 0, (text, start) => emit(slicePiece(piece, start, start + text.length)));
}

/** Steps one after the other, each on every piece of the one before. */
export function pieceSequence(steps: readonly PieceStep[]): PieceStep {
  const [first, ...rest] = steps;
  if (first === undefined) return (piece, emit) => emit(piece);
  if (rest.length === 0) return first;
  const then = pieceSequence(rest);
  return (piece, emit) => first(piece, (part) => then(part, emit));
}
