/**
 * Bytes of a base64 text of the standard alphabet, with or without padding; null if it is none.
 * O(length).
 */
export function decodeBase64(text: string): Uint8Array | null {
  let length = text.length;
  for (let i = 0; i < 2 && length > 0 && text.charCodeAt(length - 1) === 0x3d; i++) length--;
  if (length % 4 === 1) return null;
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  let at = 0;
  let bits = 0;
  let held = 0;
  for (let i = 0; i < length; i++) {
    const value = sextet(text.charCodeAt(i));
    if (value < 0) return null;
    held = ((held & 0xff) << 6) | value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = held >> bits;
  }
  return bytes;
}

/** What a character of the alphabet stands for; -1 for any other. */
function sextet(unit: number): number {
  if (unit >= 0x41 && unit <= 0x5a) return unit - 0x41;
  if (unit >= 0x61 && unit <= 0x7a) return unit - 0x61 + 26;
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30 + 52;
  return unit === 0x2b ? 62 : unit === 0x2f ? 63 : -1;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Base64 of bytes, padded. O(length). */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const count = Math.min(3, bytes.length - i);
    for (let k = 0; k <= count; k++) text += LETTERS[(group >> (18 - 6 * k)) & 63]!;
    text += "=".repeat(3 - count);
  }
  return text;
}
