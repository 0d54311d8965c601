import { type DraftTokenizer, encodePlain } from "./draft-tokenizer.ts";

/** How many ids before the end are encoded again with what follows them. */
const lookBack = 8;

/** The ids of a text that grows at its end. */
export class Reencoder {
  readonly #tokenizer: DraftTokenizer;
  readonly ids: number[] = [];
  /** Where each token ends in the text, in UTF-16 units. */
  readonly #ends: number[] = [];
  /** The end of the text, and where it begins. */
  #tail = "";
  #start = 0;

  constructor(tokenizer: DraftTokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** The last few tokens' text. */
  get tail(): string {
    return this.#tail;
  }

  /**
   * Adds to the text; how many leading ids are the same as before.
   *
   * What a text is cut into near its end depends on what follows, so the last few tokens are encoded
   * again. That text begins in the middle of the whole one, which can change its first token (many
   * tokenizers put a space before a text): the new ids count from the first boundary behind it that
   * the old ones have too, or else from the beginning. Cost: O(new text), whatever came before.
   */
  append(text: string): number {
    let kept = Math.max(0, this.ids.length - lookBack);
    // Tokens of one character all end with it: only behind the last of them is a boundary.
    while (kept > 0 && this.#ends[kept] === this.#ends[kept - 1]) kept--;
    const begin = kept === 0 ? 0 : this.#ends[kept - 1]!;
    this.#tail = this.#tail.slice(begin - this.#start) + text;
    this.#start = begin;
    const { ids, offsets } = encodePlain(this.#tokenizer, this.#tail);
    const { old, fresh } = this.#meet(kept, offsets);
    this.ids.length = old;
    this.#ends.length = old;
    for (let i = fresh; i < ids.length; i++) {
      this.ids.push(ids[i]!);
      this.#ends.push(begin + offsets[2 * i + 1]!);
    }
    return old;
  }

  /** How many of the old ids stay, and the first of the new ones that follows them. */
  #meet(kept: number, offsets: Uint32Array): { readonly old: number; readonly fresh: number } {
    const end = kept === 0 ? 0 : offsets.length / 2;
    for (let i = 1; i < end; i++) {
      const isBoundary = offsets[2 * i - 1]! <= offsets[2 * i]!;
      const at = this.#ends.lastIndexOf(this.#start + offsets[2 * i - 1]!);
      if (isBoundary && at >= kept) return { old: at + 1, fresh: i };
    }
    return { old: kept, fresh: 0 };
  }
}
