import { InferenceError } from "@frugal/core";
import { TokenBoundaries } from "./token-boundaries.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A part of a text: `text.slice(start, end)`, and how many tokens it is on its own. */
export interface TextChunk {
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

/** How {@link chunkByTokens} cuts. */
export interface ChunkOptions {
  /** Most tokens of a chunk, each encoded on its own, without a template. */
  readonly size: number;
  /** Tokens of a chunk that the next one repeats; below `size`. Default 0. */
  readonly overlap?: number;
  /** What special tokens written in the text become. Default `"parse"`. */
  readonly special?: "parse" | "text";
}

/**
 * Cuts a text into chunks of at most `size` tokens that together cover it, white space that the
 * tokenizer drops included, each as long as it can be without cutting a character or a token.
 *
 * The next chunk begins `overlap` tokens before the end of the last one, or fewer where that place
 * is inside a character. Tokens are those of the whole text; sizes are those of each chunk encoded
 * again on its own, which may differ by a few at the edges, and it is the size that is kept.
 *
 * Cost: O(text · size / (size - overlap)), as every chunk is encoded again.
 *
 * @returns nothing for an empty text.
 * @throws {@link InferenceError} `range` if the options are out of range, or one character alone is
 *   more than `size` tokens.
 */
export function chunkByTokens(
  tokenizer: Tokenizer,
  text: string,
  options: ChunkOptions,
): TextChunk[] {
  const { size, overlap = 0, special = "parse" } = options;
  if (!Number.isInteger(size) || size < 1) {
    throw new InferenceError("range", `size: expected a whole number from 1 up, got ${size}`);
  }
  if (!Number.isInteger(overlap) || overlap < 0 || overlap >= size) {
    const range = `a whole number in [0, ${size})`;
    throw new InferenceError("range", `overlap: expected ${range}, got ${overlap}`);
  }
  const tokens = new TokenBoundaries(tokenizer, text, special);
  if (tokens.count === 0) return text === "" ? [] : [{ start: 0, end: text.length, count: 0 }];

  const chunks: TextChunk[] = [];
  let first = 0;
  let stop = tokens.lastFitting(first, size, size);
  for (;;) {
    const start = tokens.startOf(first);
    if (stop < 0) {
      const got = `a character at ${start} that is more`;
      throw new InferenceError("range", `size: expected room for each character, got ${got}`);
    }
    const end = tokens.startOf(stop);
    chunks.push({ start, end, count: tokens.countBetween(start, end) });
    if (stop >= tokens.count) return chunks;
    // What is repeated must leave the next chunk something new.
    const last = stop;
    first = Math.max(first + 1, last - overlap);
    for (; first <= last; first++) {
      if (!tokens.isClean(first)) continue;
      stop = tokens.lastFitting(first, first + size, size);
      if (stop > last || first === last) break;
    }
  }
}
