/** What {@link writeSentencePieceModel} writes; types are the numbers of the format. */
export interface ModelParts {
  readonly pieces: readonly (readonly [piece: string, score: number, type?: number])[];
  /** Fields of the trainer and of the normalizer, by number. */
  readonly trainer?: Readonly<Record<number, number | Uint8Array>>;
  readonly normalizer?: Readonly<Record<number, number | Uint8Array>>;
  readonly denormalizer?: Readonly<Record<number, number | Uint8Array>>;
}

const varint = (value: number): number[] =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];

const field = (number: number, value: number | ArrayLike<number>): number[] =>
  typeof value === "number"
    ? [...varint(number << 3), ...varint(value)]
    : [...varint((number << 3) | 2), ...varint(value.length), ...Array.from(value)];

const message = (fields: Readonly<Record<number, number | Uint8Array>> = {}): number[] =>
  Object.entries(fields).flatMap(([number, value]) => field(Number(number), value));

/** A small sentencepiece model file. */
export function writeSentencePieceModel(parts: ModelParts): Uint8Array {
  const pieces = parts.pieces.flatMap(([piece, score, type = 1]) => {
    const float = new Uint8Array(Float32Array.of(score).buffer);
    const entry = [...field(1, new TextEncoder().encode(piece)), 0x15, ...float, ...field(3, type)];
    return field(1, entry);
  });
  return Uint8Array.from([
    ...pieces,
    ...field(2, message(parts.trainer)),
    ...field(3, message(parts.normalizer)),
    ...(parts.denormalizer === undefined ? [] : field(5, message(parts.denormalizer))),
  ]);
}
