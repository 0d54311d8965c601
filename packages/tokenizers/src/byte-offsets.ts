import { utf8Size } from "./utf8.ts";

/**
 * Ranges of a text in bytes of its UTF-8 form, from ranges in UTF-16 units such as
 * `Encoding.offsets`. A lone surrogate counts as U+FFFD. O(text + ranges).
 */
export function byteOffsets(text: string, offsets: ArrayLike<number>): Uint32Array {
  const byteOf = new Uint32Array(text.length + 1);
  let bytes = 0;
  for (let i = 0; i < text.length;) {
    const codePoint = text.codePointAt(i)!;
    const next = i + (codePoint >= 0x10000 ? 2 : 1);
    byteOf.fill(bytes, i, next);
    bytes += utf8Size(codePoint);
    i = next;
  }
  byteOf[text.length] = bytes;
  return Uint32Array.from(offsets, (unit) => byteOf[unit]!);
}
