import { type DraftTokenizer, encodePlain } from "./draft-tokenizer.ts";

/** What is written where a token's bytes are no text. */
const unreadable = "\uFFFD";

/**
 * How one vocabulary spells a single token of another: at least one id.
 *
 * A token of a few bytes of a character, and an id without a token, are written as U+FFFD; what
 * cannot be encoded at all is id 0.
 */
export function spellToken(id: number, from: DraftTokenizer, to: DraftTokenizer): Uint32Array {
  const token = from.idToToken(id);
  const text =
    token === undefined ? unreadable : from.isSpecial(id) ? token : decodeUtf8(from.idToBytes(id));
  const { ids } = encodePlain(to, text);
  return ids.length > 0 ? ids : new Uint32Array(1);
}

/** The text of bytes, U+FFFD if they are none. */
function decodeUtf8(bytes: Uint8Array): string {
  const escaped = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`);
  try {
    return decodeURIComponent(escaped.join(""));
  } catch {
    return unreadable;
  }
}
