/** Ids of the next part of one text. */
export type PartEncoder = (part: string) => Uint32Array;

/**
 * Where a text may be cut so that its parts can be encoded one by one. Every tokenizer that has one
 * says so in `Tokenizer.cuts`.
 */
export interface CutRule {
  /**
   * The last place in `text` at which it may be cut, whatever follows it: the ids of everything are
   * those of `text.slice(0, place)` and those of the rest, each encoded without a template, with
   * {@link openParts} where that is there. Never inside a character; 0 if none is known.
   *
   * Cost: O(length) at worst, and usually a few characters from the end plus one pass of the pattern.
   */
  lastCut(text: string, special?: "parse" | "text"): number;
  /**
   * Begins a text that comes in parts, each but the last cut at such a place. It is there where a
   * part is not encoded as a text of its own would be, because something is put before a text only
   * or because scores are summed up over all of it.
   */
  readonly openParts?: (special?: "parse" | "text") => PartEncoder;
}
