import { toWellFormed } from "./character-classes.ts";
import type { EncodeOptions, Encoding } from "./encoding.ts";
import { joinSegments, LazyEncoding, type EncodingDetails } from "./full-encoding.ts";
import type { Padding } from "./padding.ts";
import { PostProcessor, type FramePiece } from "./post-processors/post-processor.ts";
import { assemble, type Segment } from "./segments.ts";
import { TextPipeline } from "./text-pipeline.ts";
import { TokenBuffer } from "./token-buffer.ts";
import type { TokenColumns } from "./token-columns.ts";
import type { TokenizerParts } from "./tokenizer-parts.ts";
import { truncate, type Truncation } from "./truncation.ts";

/** Texts to encodings: all stages of a tokenizer, in the order of the reference. */
export class Encoder {
  readonly #parts: TokenizerParts;
  readonly #pipeline: TextPipeline;
  readonly #postProcessor: PostProcessor;

  constructor(parts: TokenizerParts) {
    this.#parts = parts;
    this.#pipeline = new TextPipeline(parts);
    this.#postProcessor = parts.postProcessor ?? new PostProcessor([]);
  }

  /** What `Tokenizer.encode` returns. */
  encode(text: string | readonly string[], options: EncodeOptions): Encoding {
    const { truncation, padding } = this.#lengthsOf(options);
    const withOffsets = options.offsets === true;
    const isPlain = typeof text === "string" && options.pair === undefined;
    // What is not asked for is worked out later, if at all; chance would make that another encoding.
    const isFixed = truncation === null && padding === null && options.random === undefined;
    if (!isPlain || !isFixed) return this.#encodeFully(text, options);
    const layout = this.#postProcessor.layoutOf(false, options.addSpecialTokens ?? true);
    if (withOffsets && layout.hasTrims) return this.#encodeFully(text, options);

    const out = new TokenBuffer(withOffsets);
    this.#pipeline.encode(text, options, out);
    const { ids, offsets } = fillIn(layout.pieces, out);
    const createDetails = (): EncodingDetails => this.#createDetails(text, options);
    return new LazyEncoding(ids, offsets, createDetails, this.#parts.vocabulary);
  }

  /** The truncation and padding that count. */
  #lengthsOf(options: EncodeOptions): { truncation: Truncation | null; padding: Padding | null } {
    const { truncation = null, padding = null } = this.#parts;
    const wanted = (options.padding ?? padding) || null;
    const isIdle = wanted?.length === "longest" && wanted.multipleOf === undefined;
    return {
      truncation: (options.truncation ?? truncation) || null,
      padding: isIdle ? null : wanted,
    };
  }

  #encodeFully(text: string | readonly string[], options: EncodeOptions): Encoding {
    return this.#encodingOf(this.#createDetails(text, options), options);
  }

  #encodingOf(details: EncodingDetails, options: EncodeOptions): Encoding {
    const offsets = options.offsets === true ? details.offsets : null;
    const token = this.#lengthsOf(options).padding?.token;
    return new LazyEncoding(details.ids, offsets, () => details, this.#parts.vocabulary, token);
  }

  /** Everything there is to know about an encoding. */
  #createDetails(text: string | readonly string[], options: EncodeOptions): EncodingDetails {
    const { truncation, padding } = this.#lengthsOf(options);
    const addSpecialTokens = options.addSpecialTokens ?? true;
    const texts = options.pair === undefined ? [text] : [text, options.pair];
    const isPair = texts.length > 1;
    const columns = texts.map((each) =>
      this.#pipeline.encodeColumns(each, options, new TokenBuffer(true, true)),
    );
    const added = addSpecialTokens ? this.#postProcessor.countAdded(isPair) : 0;
    const chunks =
      truncation === null
        ? columns.map((each): readonly [TokenColumns] => [each])
        : truncate(columns, truncation, added);
    const { frames } = this.#postProcessor.layoutOf(isPair, addSpecialTokens);
    const { segments, overflowing } = assemble(frames, chunks, (piece, chunk) =>
      this.#trim(piece, chunk, texts),
    );
    const rest = overflowing.map((each: readonly Segment[]) =>
      this.#encodingOf(joinSegments(each, padding, []), options),
    );
    return joinSegments(segments, padding, rest);
  }

  #trim(
    piece: FramePiece,
    columns: TokenColumns,
    texts: readonly (string | readonly string[])[],
  ): TokenColumns {
    if ("ids" in piece || piece.trims.length === 0) return columns;
    const text = texts[piece.sequence]!;
    const source = typeof text === "string" ? toWellFormed(text) : text.map(toWellFormed);
    const textOf = (token: number): string =>
      typeof source === "string" ? source : source[columns.words[token]!]!;
    const trimmed = { ...columns, offsets: columns.offsets.slice() };
    const { vocabulary } = this.#parts;
    for (const trim of piece.trims) trim(trimmed, { textOf, vocabulary });
    return trimmed;
  }
}

/** The tokens of one text in the places that a layout gives it. O(tokens). */
function fillIn(
  pieces: readonly FramePiece[],
  out: TokenBuffer,
): { ids: Uint32Array; offsets: Uint32Array | null } {
  const text = out.ids.subarray(0, out.length);
  const ranges = out.offsets?.subarray(0, 2 * out.length) ?? null;
  const [only] = pieces;
  if (pieces.length === 1 && "sequence" in only!) {
    return { ids: text.slice(), offsets: ranges?.slice() ?? null };
  }
  const lengthOf = (piece: FramePiece): number => ("ids" in piece ? piece.ids : text).length;
  const ids = new Uint32Array(pieces.reduce((sum, piece) => sum + lengthOf(piece), 0));
  const offsets = ranges === null ? null : new Uint32Array(2 * ids.length);
  let at = 0;
  for (const piece of pieces) {
    ids.set("ids" in piece ? piece.ids : text, at);
    if ("sequence" in piece && ranges !== null) offsets!.set(ranges, 2 * at);
    at += lengthOf(piece);
  }
  return { ids, offsets };
}
