import type { TextStream } from "@frugal/core";

/** Turns ids into text. */
export interface TokenDecoder {
  /** The text of many ids. Unchecked: every id is in range. */
  decode(ids: readonly number[]): string;
  /** The bytes one token stands for. Do not write to them. Unchecked: the id is in range. */
  bytesOf(id: number): Uint8Array;
  /** A stream over ids in range; null where joining the bytes of the ids is all there is to it. */
  openStream(): TextStream | null;
}
