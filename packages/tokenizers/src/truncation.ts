import { InferenceError } from "@frugal/core";
import { sliceColumns, type TokenColumns } from "./token-columns.ts";

/** How an encoding that is too long is cut. */
export interface Truncation {
  /** Most tokens of the whole encoding, those that a template adds included. */
  readonly maxLength: number;
  /** Tokens that neighbouring chunks share. Default 0. */
  readonly stride?: number;
  /** The side that is cut off. Default `"right"`. */
  readonly direction?: "left" | "right";
  /** Which of two texts is cut. Default `"longest-first"`. */
  readonly strategy?: "longest-first" | "only-first" | "only-second";
}

/** A text's tokens in chunks: the one that stays, then those that did not fit. Never empty. */
export type Chunks = readonly [TokenColumns, ...TokenColumns[]];

/**
 * Cuts one text, or two, to `truncation.maxLength` less `added` tokens.
 *
 * All chunks after the first are kept, as the reference did up to version 0.22; 0.23 loses most.
 *
 * @throws {@link InferenceError} `range` if there is no room for the added tokens, the stride is not
 *   below the length of a chunk, or the strategy would leave nothing of a text.
 * @see `truncate_encodings` in huggingface/tokenizers (3ba8ad0): tokenizers/src/utils/truncation.rs
 */
export function truncate(
  texts: readonly TokenColumns[],
  truncation: Truncation,
  added: number,
): Chunks[] {
  const room = truncation.maxLength - added;
  if (room < 0) refuse("maxLength", `at least the ${added} added tokens`, truncation.maxLength);
  const lengths = texts.map((text) => text.ids.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total <= room) return texts.map((text) => [text]);
  const kept = room === 0 ? lengths.map(() => 0) : keptLengths(lengths, room, truncation);
  return texts.map((text, i) => chunksOf(text, kept[i]!, truncation));
}

function keptLengths(lengths: readonly number[], room: number, { strategy }: Truncation): number[] {
  const [first, second] = lengths;
  if (first === undefined) return [];
  if (strategy === "only-first" || strategy === "only-second") {
    const at = strategy === "only-first" ? 0 : 1;
    const length = lengths[at] ?? refuse("strategy", "two texts", strategy);
    const left = length - (lengths.reduce((sum, each) => sum + each, 0) - room);
    if (left <= 0) refuse("maxLength", `room for the text that ${strategy} may not cut`, room);
    return lengths.map((each, i) => (i === at ? left : each));
  }
  if (second === undefined) return [room];
  let short = Math.min(first, second);
  let long = short > room ? short : Math.max(short, room - short);
  if (short + long > room) {
    short = Math.floor(room / 2);
    long = short + (room % 2);
  }
  return first > second ? [long, short] : [short, long];
}

function chunksOf(text: TokenColumns, length: number, truncation: Truncation): Chunks {
  const count = text.ids.length;
  const { stride = 0, direction = "right" } = truncation;
  if (length >= count) return [text];
  if (length === 0) return [sliceColumns(text, 0, 0), text];
  if (stride >= length) refuse("stride", `less than the ${length} tokens of a chunk`, stride);
  const chunks: TokenColumns[] = [];
  for (let from = 0; ; from += length - stride) {
    const to = Math.min(count, from + length);
    const isLeft = direction === "left";
    chunks.push(sliceColumns(text, isLeft ? count - to : from, isLeft ? count - from : to));
    // The loop has pushed at least this one.
    if (to === count) return chunks as unknown as Chunks;
  }
}

function refuse(subject: string, expected: string, got: number | string): never {
  throw new InferenceError("range", `truncation.${subject}: expected ${expected}, got ${got}`);
}
