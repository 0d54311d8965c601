import type { PostProcessor } from "./post-processors/post-processor.ts";
import type { TokenColumns } from "./token-columns.ts";
import type { Chunks } from "./truncation.ts";

/** A stretch of an encoding: tokens of a text, or, without columns, those that a template adds. */
export interface Segment {
  readonly ids: ArrayLike<number>;
  readonly typeId: number;
  /** Which text, 0 or 1. */
  readonly sequence: number;
  readonly columns: TokenColumns | null;
}

/** Segments of the encoding that stays, and of those that hold what did not fit. */
export interface Assembly {
  readonly segments: readonly Segment[];
  readonly overflowing: readonly (readonly Segment[])[];
}

/**
 * Fills in the template with the chunks of one text or two. Every chunk that did not fit is combined
 * with every chunk of the other text, in the order of the reference.
 *
 * @see `Encoding::merge_with` in huggingface/tokenizers (3ba8ad0): tokenizers/src/tokenizer/encoding.rs
 */
export function assemble(
  texts: readonly Chunks[],
  processor: PostProcessor,
  addSpecialTokens: boolean,
): Assembly {
  const template = texts.length > 1 ? processor.pair : processor.single;
  let segments: readonly Segment[] = [];
  let overflowing: (readonly Segment[])[] = [];
  for (const piece of template) {
    if ("ids" in piece) {
      if (!addSpecialTokens) continue;
      const added: Segment = { ids: piece.ids, typeId: piece.typeId, sequence: 0, columns: null };
      segments = [...segments, added];
      overflowing = overflowing.map((each) => [...each, added]);
      continue;
    }
    const { sequence } = piece;
    const overflowType = addSpecialTokens ? (processor.overflowTypeId ?? sequence) : sequence;
    const [kept, ...rest] = texts[sequence]!.map((columns, i): Segment => ({
      ids: columns.ids,
      typeId: i === 0 ? piece.typeId : overflowType,
      sequence,
      columns,
    }));
    const combined: (readonly Segment[])[] = [];
    for (const each of overflowing) {
      for (const other of [kept!, ...rest]) combined.push([...each, other]);
    }
    for (const other of rest) combined.push([...segments, other]);
    overflowing = combined;
    segments = [...segments, kept!];
  }
  return { segments, overflowing };
}
