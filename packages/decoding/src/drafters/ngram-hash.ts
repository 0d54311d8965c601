import { expectRange, isIn } from "../sampling/sampling-options.ts";
import type { Drafter } from "./drafter.ts";
import type { TokenView } from "./token-view.ts";

/** Options of {@link ngramHash}. */
export interface NgramHashOptions {
  /** How many tokens decide about the next one, in [1, 64]. Default 16. */
  readonly ngram?: number;
  /** Entries of the table, a power of two in [2, 2^26]; four bytes each. Default 2^20. */
  readonly slots?: number;
}

/** Multiplier of the polynomial; odd, so that no token is lost in the low bits. */
const base = 0x0100_0193;

/**
 * A drafter with one table of fixed size: the hash of the last `ngram` tokens leads to the token
 * that last followed them.
 *
 * Nothing is compared, so two n-grams that share an entry overwrite each other and a draft may be
 * arbitrary; it is verified like any other. The table keeps what it knows from one text to the next.
 * Drafts go on while an entry is filled, and end with a stop id.
 *
 * Cost: O(1) per token of the text, O(ngram) per draft and O(1) per drafted token: the polynomial
 * hash modulo 2^32 rolls.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see `docs/algorithms/ngram-drafting.md`; ggml-org/llama.cpp, `ngram-mod`
 */
export function ngramHash(options: NgramHashOptions = {}): Drafter {
  const { ngram = 16, slots = 2 ** 20 } = options;
  expectRange("ngram", ngram, "an integer in [1, 64]", isIn(ngram, 1, 64));
  const isPower = slots >= 2 && slots <= 2 ** 26 && Number.isInteger(Math.log2(slots));
  expectRange("slots", slots, "a power of two in [2, 2^26]", isPower);

  /** Token plus one; 0 is empty. The largest id is never stored. */
  const table = new Uint32Array(slots);
  let leading = 1;
  for (let i = 1; i < ngram; i++) leading = Math.imul(leading, base);

  let tokens: TokenView | null = null;
  /** How many tokens of the text are in the table, and the hash of the last ones of them. */
  let read = 0;
  let hash = 0;

  /** The hash of a window that moves on by one token; `left` is null while it is not full. */
  const roll = (from: number, left: number | null, token: number): number => {
    const rest = left === null ? from : from - Math.imul(left + 1, leading);
    return (Math.imul(rest, base) + token + 1) | 0;
  };
  const slotOf = (of: number): number => {
    const mixed = Math.imul(of ^ (of >>> 16), 0x85eb_ca6b);
    return ((mixed ^ (mixed >>> 13)) >>> 0) & (slots - 1);
  };

  const follow = (history: TokenView): void => {
    if (tokens !== history) {
      tokens = history;
      read = 0;
      hash = 0;
    }
    for (; read < history.length; read++) {
      const token = history.at(read);
      if (read >= ngram) table[slotOf(hash)] = token + 1;
      hash = roll(hash, read >= ngram ? history.at(read - ngram) : null, token);
    }
  };

  return {
    kinds: ["point"],
    propose({ history, maxTokens, stopIds }) {
      follow(history);
      const { length } = history;
      if (length < ngram) return { tokens: new Uint32Array(0), runMs: 0 };
      const draft = new Uint32Array(maxTokens);
      let count = 0;
      let ahead = hash;
      while (count < maxTokens) {
        const entry = table[slotOf(ahead)]!;
        if (entry === 0) break;
        const left = length + count - ngram;
        const leaving = left < length ? history.at(left) : draft[left - length]!;
        draft[count++] = entry - 1;
        if (stopIds.has(entry - 1)) break;
        ahead = roll(ahead, leaving, entry - 1);
      }
      return { tokens: draft.subarray(0, count), runMs: 0 };
    },
  };
}
