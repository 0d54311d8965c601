import { InferenceError } from "@frugal/core";
import type { Frame, FramePiece } from "./post-processors/post-processor.ts";
import type { TokenColumns } from "./token-columns.ts";
import type { Chunks } from "./truncation.ts";

/** Most ways to combine the chunks of two texts, or of a text that is used twice. */
const MOST_COMBINATIONS = 1 << 18;

/** A stretch of an encoding: tokens of a text, or, without columns, fixed ones. */
export interface Segment {
  readonly ids: ArrayLike<number>;
  readonly typeId: number;
  /** Which text, 0 or 1; -1 for fixed tokens. */
  readonly sequence: number;
  readonly isSpecial: boolean;
  readonly columns: TokenColumns | null;
}

/** Segments of the encoding that stays, and of those that hold what did not fit. */
export interface Assembly {
  readonly segments: readonly Segment[];
  readonly overflowing: readonly (readonly Segment[])[];
}

/** The tokens of a chunk, trimmed as a piece wants it. */
export type TrimChunk = (piece: FramePiece, columns: TokenColumns) => TokenColumns;

/**
 * Fills in frames with the chunks of one text or two. Every chunk that did not fit is combined with
 * every chunk of the frames before and behind, in the order of the reference.
 *
 * @throws {@link InferenceError} `range` if that is more than 262,144 encodings.
 * @see `Encoding::merge_with` in huggingface/tokenizers (3ba8ad0): tokenizers/src/tokenizer/encoding.rs
 */
export function assemble(
  frames: readonly Frame[],
  texts: readonly Chunks[],
  trim: TrimChunk,
): Assembly {
  let segments: readonly Segment[] = [];
  let overflowing: (readonly Segment[])[] = [];
  for (const frame of frames) {
    const [kept, ...rest] = runsOf(frame, texts, trim);
    const combined: (readonly Segment[])[] = [];
    checkCombinations(overflowing.length, rest.length);
    for (const each of overflowing) {
      for (const other of [kept!, ...rest]) combined.push([...each, ...other]);
    }
    for (const other of rest) combined.push([...segments, ...other]);
    overflowing = combined;
    segments = [...segments, ...kept!];
  }
  return { segments, overflowing };
}

/** A frame around each chunk of its text; once around nothing if it has none. */
function runsOf(frame: Frame, texts: readonly Chunks[], trim: TrimChunk): Segment[][] {
  const text = frame.find((piece) => "sequence" in piece);
  const chunks = text === undefined ? [null] : texts[text.sequence]!;
  return chunks.map((chunk, i) =>
    frame.map((piece): Segment => {
      const typeId = i === 0 ? piece.typeId : piece.overflowTypeId;
      if ("ids" in piece) {
        const { ids, isSpecial } = piece;
        return { ids, typeId, sequence: -1, isSpecial, columns: null };
      }
      const columns = trim(piece, chunk!);
      return { ids: columns.ids, typeId, sequence: piece.sequence, isSpecial: false, columns };
    }),
  );
}

function checkCombinations(before: number, behind: number): void {
  const count = before * (behind + 1) + behind;
  if (behind === 0 || before === 0 || count <= MOST_COMBINATIONS) return;
  const expected = `at most ${MOST_COMBINATIONS} combinations of chunks`;
  throw new InferenceError("range", `truncation: expected ${expected}, got ${count}`);
}
