import type { Encoding } from "./encoding.ts";
import { paddedLength, type Padding } from "./padding.ts";
import type { Segment } from "./segments.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** An encoding with all its columns. */
export interface EncodingDetails {
  readonly ids: Uint32Array;
  readonly offsets: Uint32Array;
  readonly wordIds: Int32Array;
  readonly typeIds: Uint32Array;
  readonly sequenceIds: Int8Array;
  readonly specialTokensMask: Uint8Array;
  readonly attentionMask: Uint8Array;
  readonly overflowing: readonly Encoding[];
}

/** Puts segments, and padding, end to end. O(tokens). */
export function joinSegments(
  segments: readonly Segment[],
  padding: Padding | null,
  overflowing: readonly Encoding[],
): EncodingDetails {
  const used = segments.reduce((sum, segment) => sum + segment.ids.length, 0);
  const n = padding === null ? used : paddedLength(used, padding);
  const details: EncodingDetails = {
    ids: new Uint32Array(n).fill(padding?.id ?? 0),
    offsets: new Uint32Array(2 * n),
    wordIds: new Int32Array(n).fill(-1),
    typeIds: new Uint32Array(n).fill(padding?.typeId ?? 0),
    sequenceIds: new Int8Array(n).fill(-1),
    specialTokensMask: new Uint8Array(n).fill(1),
    attentionMask: new Uint8Array(n),
    overflowing,
  };
  let at = padding?.direction === "left" ? n - used : 0;
  for (const { ids, typeId, sequence, isSpecial, columns } of segments) {
    const end = at + ids.length;
    details.ids.set(ids, at);
    details.typeIds.fill(typeId, at, end);
    details.sequenceIds.fill(sequence, at, end);
    details.specialTokensMask.fill(isSpecial ? 1 : 0, at, end);
    details.attentionMask.fill(1, at, end);
    if (columns !== null) {
      details.offsets.set(columns.offsets, 2 * at);
      details.wordIds.set(columns.words, at);
    }
    at = end;
  }
  return details;
}

/** An {@link Encoding} whose further columns come from `createDetails`, called once at most. */
export class LazyEncoding implements Encoding {
  readonly ids: Uint32Array;
  readonly offsets: Uint32Array | null;
  readonly #vocabulary: Vocabulary;
  readonly #paddingToken: string;
  #createDetails: (() => EncodingDetails) | null;
  #details: EncodingDetails | null = null;

  constructor(
    ids: Uint32Array,
    offsets: Uint32Array | null,
    createDetails: () => EncodingDetails,
    vocabulary: Vocabulary,
    paddingToken = "[PAD]",
  ) {
    this.ids = ids;
    this.offsets = offsets;
    this.#createDetails = createDetails;
    this.#vocabulary = vocabulary;
    this.#paddingToken = paddingToken;
  }

  get tokens(): readonly string[] {
    return Array.from(this.ids, (id) => this.#vocabulary.tokenOf(id) ?? this.#paddingToken);
  }

  get wordIds(): Int32Array {
    return this.#columns().wordIds;
  }

  get typeIds(): Uint32Array {
    return this.#columns().typeIds;
  }

  get sequenceIds(): Int8Array {
    return this.#columns().sequenceIds;
  }

  get specialTokensMask(): Uint8Array {
    return this.#columns().specialTokensMask;
  }

  get attentionMask(): Uint8Array {
    return this.#columns().attentionMask;
  }

  get overflowing(): readonly Encoding[] {
    return this.#columns().overflowing;
  }

  charToToken(position: number, sequence: 0 | 1 = 0): number | null {
    const { offsets, sequenceIds } = this.#columns();
    const token = sequenceIds.findIndex(
      (each, i) =>
        each === sequence && offsets[2 * i]! <= position && position < offsets[2 * i + 1]!,
    );
    return token < 0 ? null : token;
  }

  tokenToChars(token: number): readonly [start: number, end: number] | null {
    const { offsets, sequenceIds } = this.#columns();
    if ((sequenceIds[token] ?? -1) < 0) return null;
    return [offsets[2 * token]!, offsets[2 * token + 1]!];
  }

  #columns(): EncodingDetails {
    this.#details ??= this.#createDetails!();
    // Lets go of the text.
    this.#createDetails = null;
    return this.#details;
  }
}
