/** How an encoding that is too short is filled up. */
export interface Padding {
  /** Length to reach; `"longest"`, of a single encoding, is the length it has. */
  readonly length: number | "longest";
  /** Goes on to the next multiple of this. */
  readonly multipleOf?: number;
  /** The side the padding is put on. Default `"right"`. */
  readonly direction?: "left" | "right";
  /** Id of the padding token. Default 0. */
  readonly id?: number;
  /** Type of the padding tokens. Default 0. */
  readonly typeId?: number;
  /** How the padding token is spelled. Default: as the file does, or `"[PAD]"`. */
  readonly token?: string;
}

/** How long an encoding of `length` tokens gets; the longest of a batch decides for all. */
export function paddedLength(length: number, padding: Padding): number {
  const target = padding.length === "longest" ? length : padding.length;
  const multiple = padding.multipleOf ?? 0;
  const over = multiple > 0 ? target % multiple : 0;
  return Math.max(length, over === 0 ? target : target + multiple - over);
}
