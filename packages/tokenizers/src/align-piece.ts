import { standInSize } from "./byte-alphabet.ts";
import type { Normalized } from "./normalizers/normalizer.ts";
import type { TokenBuffer } from "./token-buffer.ts";

/** Where a piece of normalized text comes from. */
export interface PieceOrigin {
  /** Start of the stretch that was normalized, in the source. */
  readonly base: number;
  /** From units of the normalized stretch to ranges relative to `base`; null if nothing moved. */
  readonly origin: Normalized["origin"];
  /** Unit of the normalized stretch where the piece begins. */
  readonly start: number;
  /** Whether the piece begins with a space that is not in the text. */
  readonly prefixed: boolean;
}

/**
 * Fills in the source ranges of the tokens of one piece, those from `first` on.
 *
 * Tokens are laid end to end over the piece in the byte alphabet, `sizes[id]` bytes each, as the
 * reference does; where bytes were dropped, the ranges after them therefore shift back.
 *
 * Cost: O(piece length + tokens).
 */
export function alignPiece(
  out: TokenBuffer,
  first: number,
  piece: string,
  from: PieceOrigin,
  sizes: Uint32Array,
): void {
  const { base, origin, start, prefixed } = from;
  const offsets = out.offsets!;
  let unit = 0;
  let reached = 0;
  let codePoint = piece.codePointAt(0)!;
  let size = standInSize(codePoint);
  /** Moves to the character that holds byte `position` of the piece. */
  const seek = (position: number): void => {
    while (reached + size <= position) {
      reached += size;
      unit += codePoint >= 0x10000 ? 2 : 1;
      codePoint = piece.codePointAt(unit)!;
      size = standInSize(codePoint);
    }
  };
  /** Unit of the normalized stretch that stands for the character at hand. */
  const here = (): number => start + (prefixed && unit > 0 ? unit - 1 : unit);

  let position = 0;
  for (let i = first; i < out.length; i++) {
    seek(position);
    const left = here();
    offsets[2 * i] = base + (origin === null ? left : origin.starts[left]!);
    position += sizes[out.ids[i]!]!;
    seek(position - 1);
    const right = here();
    let end = right + (codePoint >= 0x10000 ? 2 : 1);
    // The inserted space shares the range of the whole character after it.
    if (prefixed && unit === 0) end = right + (piece.codePointAt(1)! >= 0x10000 ? 2 : 1);
    offsets[2 * i + 1] = base + (origin === null ? end : origin.ends[right]!);
  }
}
