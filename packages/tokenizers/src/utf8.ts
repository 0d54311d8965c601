/** Bytes the UTF-8 form of a code point takes. */
export function utf8Size(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  return codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
}

/** Bytes the UTF-8 form of `text` takes, lone surrogates counting as U+FFFD. O(length). */
export function utf8Length(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const codePoint = text.codePointAt(i)!;
    if (codePoint >= 0x10000) i++;
    length += utf8Size(codePoint);
  }
  return length;
}

/**
 * Writes the UTF-8 form of `text` to the front of `out` and returns the number of bytes. A lone
 * surrogate becomes the three bytes of U+FFFD. Unchecked: `out.length >= utf8Length(text)`.
 */
export function writeUtf8(text: string, out: Uint8Array): number {
  let n = 0;
  for (let i = 0; i < text.length; i++) {
    let c = text.charCodeAt(i);
    if (c < 0x80) {
      out[n++] = c;
      continue;
    }
    if (c >= 0xd800 && c <= 0xdfff) {
      c = text.codePointAt(i)!;
      if (c < 0x10000) c = 0xfffd;
      else i++;
    }
    if (c < 0x800) {
      out[n++] = 0xc0 | (c >> 6);
    } else {
      if (c < 0x10000) {
        out[n++] = 0xe0 | (c >> 12);
      } else {
        out[n++] = 0xf0 | (c >> 18);
        out[n++] = 0x80 | ((c >> 12) & 0x3f);
      }
      out[n++] = 0x80 | ((c >> 6) & 0x3f);
    }
    out[n++] = 0x80 | (c & 0x3f);
  }
  return n;
}
