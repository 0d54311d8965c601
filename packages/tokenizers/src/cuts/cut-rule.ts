/**
 * Where a text may be cut so that its parts can be encoded one by one. Every tokenizer that has one
 * says so in `Tokenizer.cuts`.
 */
export interface CutRule {
  /**
   * The last place in `text` at which it may be cut, whatever follows it: the ids of everything are
   * those of `text.slice(0, place)` and those of the rest, each encoded without a template. Never
   * inside a character; 0 if none is known.
   *
   * Cost: O(length) at worst, and usually a few characters from the end plus one pass of the pattern.
   */
  lastCut(text: string, special?: "parse" | "text"): number;
}
