import { expectRange, isIn } from "../sampling/sampling-options.ts";
import { cutAtStop } from "./cut-at-stop.ts";
import type { Drafter } from "./drafter.ts";
import { createNgramIndex, type NgramIndex } from "./ngram-index.ts";
import type { TokenView } from "./token-view.ts";

/** Options of {@link ngramMap}. */
export interface NgramMapOptions {
  /** How many last tokens are looked up, in [1, 64]. Default 12. */
  readonly ngram?: number;
  /** How many tokens after them are one continuation, in [1, 64]. Default 48. */
  readonly mgram?: number;
  /** How often a continuation must have been seen, at least 1. Default 1. */
  readonly minHits?: number;
  /** How many continuations of an n-gram are told apart, in [1, 4]. Default 1. */
  readonly continuations?: number;
}

/** Tokens that followed an n-gram: where they begin, and how often they did. */
interface Continuation {
  start: number;
  hits: number;
}

/** How many times as often as the others together the best continuation must have been seen. */
const dominance = 3;

/**
 * A drafter that copies what followed the text's last `ngram` tokens, if the same `mgram` tokens
 * followed them often enough.
 *
 * With one continuation per n-gram, these are the tokens that followed its last occurrence, and
 * they must have followed the last `minHits` ones alike. With up to four, each has a count, a new
 * one takes the place of the rarest (the older among equals) when there are too many, and the most
 * frequent one is drafted if it has `minHits` and three times the hits of the others together.
 * Only whole continuations count, so that the earlier occurrence lies at least `mgram` tokens back.
 * The draft ends with a stop id.
 *
 * Cost: O(ngram + continuations * mgram) per token of the text, O(ngram + mgram) per draft.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see `docs/algorithms/ngram-drafting.md`; ggml-org/llama.cpp, `ngram-map-k` and `ngram-map-k4v`
 */
export function ngramMap(options: NgramMapOptions = {}): Drafter {
  const { ngram = 12, mgram = 48, minHits = 1, continuations = 1 } = options;
  expectRange("ngram", ngram, "an integer in [1, 64]", isIn(ngram, 1, 64));
  expectRange("mgram", mgram, "an integer in [1, 64]", isIn(mgram, 1, 64));
  expectRange("minHits", minHits, "an integer >= 1", isIn(minHits, 1, Infinity));
  expectRange("continuations", continuations, "an integer in [1, 4]", isIn(continuations, 1, 4));

  let tokens: TokenView | null = null;
  let index: NgramIndex | null = null;
  /** Continuations of an n-gram, by the end of its first occurrence; the latest new one last. */
  let known = new Map<number, Continuation[]>();
  /** The next end of an n-gram whose continuation is to be noted. */
  let end = 0;

  const isSame = (history: TokenView, a: number, b: number): boolean => {
    for (let i = 0; i < mgram; i++) if (history.at(a + i) !== history.at(b + i)) return false;
    return true;
  };

  const note = (list: Continuation[], history: TokenView, start: number): void => {
    const found = list.find((other) => isSame(history, other.start, start));
    if (found !== undefined) {
      found.hits++;
      return;
    }
    if (list.length === continuations) {
      const least = Math.min(...list.map(({ hits }) => hits));
      list.splice(
        list.findIndex(({ hits }) => hits === least),
        1,
      );
    }
    list.push({ start, hits: 1 });
  };

  const follow = (history: TokenView): NgramIndex => {
    if (tokens !== history || index === null) {
      tokens = history;
      index = createNgramIndex(history, ngram, ngram, "first");
      known = new Map();
      end = ngram - 1;
    }
    for (; end + mgram < history.length; end++) {
      index.extend(end + 1);
      const first = index.find(end, ngram);
      const list = known.get(first) ?? [];
      if (list.length === 0) known.set(first, list);
      note(list, history, end + 1);
    }
    return index;
  };

  /** The continuation to copy, or null. */
  const choose = (list: readonly Continuation[]): Continuation | null => {
    const best = list.reduce((a, b) => (b.hits > a.hits ? b : a));
    const others = list.reduce((sum, { hits }) => sum + hits, -best.hits);
    return best.hits >= minHits && best.hits >= dominance * others ? best : null;
  };

  return {
    kinds: ["point"],
    propose({ history, maxTokens, stopIds }) {
      const found = follow(history);
      const last = history.length - 1;
      const first = last < ngram ? -1 : found.find(last, ngram);
      const best = first < 0 ? null : choose(known.get(first)!);
      if (best === null) return { tokens: new Uint32Array(0), runMs: 0 };
      const copy = history.slice(best.start, best.start + Math.min(mgram, maxTokens));
      return { tokens: cutAtStop(copy, stopIds), runMs: 0 };
    },
  };
}
