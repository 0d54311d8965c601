import { PatternMatcher } from "./pattern-matcher.ts";
import { cutStep, prefixPiece, type PieceStep } from "./piece.ts";
import { splitPreTokenizer } from "./split.ts";

/** Where a {@link metaspace} step puts its mark: before every piece, the first of the text, or none. */
export type PrependScheme = "always" | "first" | "never";

/**
 * Writes spaces as `mark`, puts one in front by the scheme where none is, and, if `split`, cuts
 * before each. Piece by piece, `"first"` means one that begins where the text does: it needs ranges.
 *
 * @see `Metaspace` in huggingface/tokenizers (3ba8ad0): tokenizers/src/pre_tokenizers/metaspace.rs
 */
export function metaspace(mark: string, scheme: PrependScheme, split: boolean): PieceStep {
  const pattern = mark.replace(/[\\^$.*+?()[\]{}|/]/u, "\\$&");
  const cut = cutStep(splitPreTokenizer(new PatternMatcher(pattern, "u"), "MergedWithNext", false));
  return (piece, emit) => {
    let marked = { text: piece.text.replaceAll(" ", mark), origin: piece.origin };
    if (mark.length > 1 && marked.text.length !== piece.text.length) {
      marked = { text: marked.text, origin: widen(piece, mark.length) };
    }
    const isFirst = piece.origin?.starts[0] === 0;
    if ((scheme === "always" || (scheme === "first" && isFirst)) && !marked.text.startsWith(mark)) {
      marked = prefixPiece(marked, mark);
    }
    if (split) cut(marked, emit);
    else emit(marked);
  };
}

/** The origin of a piece after each space became `width` units. */
function widen(
  { text, origin }: Parameters<PieceStep>[0],
  width: number,
): Parameters<PieceStep>[0]["origin"] {
  if (origin === null) return null;
  const units: number[] = [];
  for (let i = 0; i < text.length; i++) {
    for (let k = text[i] === " " ? width : 1; k > 0; k--) units.push(i);
  }
  return {
    starts: Uint32Array.from(units, (unit) => origin.starts[unit]!),
    ends: Uint32Array.from(units, (unit) => origin.ends[unit]!),
  };
}
