import { expectRange } from "../sampling/sampling-options.ts";
import { cutAtStop } from "./cut-at-stop.ts";
import type { Drafter } from "./drafter.ts";
import { createSuffixAutomaton, type SuffixAutomaton } from "./suffix-automaton.ts";
import type { DatastoreMatch, SuffixDatastore } from "./suffix-datastore.ts";
import { frequentTree } from "./suffix-tree.ts";
import type { TokenView } from "./token-view.ts";

/** Options of {@link suffixDrafter}. */
export interface SuffixDrafterOptions {
  /** Whether the text itself is searched. Default true. */
  readonly context?: boolean;
  /** Other texts to search. Default: none. */
  readonly datastore?: SuffixDatastore;
  /** The shortest match that is continued, at least 1. Default 2. */
  readonly minMatch?: number;
  /** Tokens drafted per matched token, beyond the first. Default 4. */
  readonly perMatch?: number;
  /** The longest phrase looked up in the datastore, in [1, 64]. Default 16. */
  readonly maxSpan?: number;
  /** How many tokens longer than the text's own a match in the datastore must be. Default 5. */
  readonly penalty?: number;
}

/** The most tokens of a tree. */
const maxTree = 64;

/**
 * A drafter that continues the longest end of the text that occurred before, however long.
 *
 * In the text itself a suffix automaton finds it; the draft copies what followed its first
 * occurrence, and where that reaches the end of the text it copies on from the draft: a text that
 * repeats itself with any period is continued with it. In a datastore the draft is the tree of the
 * most frequent continuations; where trees are off it takes the most frequent next token again and
 * again (ties to the lower id) among the occurrences that agree with the draft so far. A match of
 * `m` tokens yields at most `1 + perMatch * m`, and the draft ends with a stop id.
 *
 * Cost: O(1) amortised per token of the text and per drafted one; in a datastore of n tokens
 * O(maxSpan log n log maxSpan) per draft, and O(d log n) per drafted token with d different tokens
 * to choose from.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see `docs/algorithms/suffix-drafting.md`; Hu et al., "SAM Decoding", arXiv:2411.10666; He et al.,
 *   "REST", arXiv:2311.08252
 */
export function suffixDrafter(options: SuffixDrafterOptions = {}): Drafter {
  const { context = true, datastore = null, minMatch = 2, perMatch = 4 } = options;
  const { maxSpan = 16, penalty = 5 } = options;
  expectRange("minMatch", minMatch, "an integer >= 1", isCount(minMatch, 1));
  expectRange("perMatch", perMatch, "an integer >= 0", isCount(perMatch, 0));
  expectRange("maxSpan", maxSpan, "an integer in [1, 64]", isCount(maxSpan, 1) && maxSpan <= 64);
  expectRange("penalty", penalty, "an integer >= 0", isCount(penalty, 0));
  const hasSource = context || datastore !== null;
  expectRange("datastore", "none", "one where context is false", hasSource);

  let tokens: TokenView | null = null;
  let automaton: SuffixAutomaton | null = null;

  const follow = (history: TokenView): SuffixAutomaton => {
    if (automaton === null || tokens !== history) {
      tokens = history;
      automaton = createSuffixAutomaton();
    }
    for (let i = automaton.length; i < history.length; i++) automaton.push(history.at(i));
    return automaton;
  };

  return {
    kinds: ["point"],
    trees: datastore !== null,
    propose({ history, maxTokens, maxDepth, tree, stopIds }) {
      const own = context ? follow(history) : null;
      const ownLength = own?.matchLength ?? 0;
      const found = datastore?.match(history, maxSpan) ?? null;
      const foundLength = found?.length ?? 0;
      const isOwn = ownLength >= minMatch && ownLength >= foundLength - penalty;
      const length = isOwn ? ownLength : foundLength;
      if (length < minMatch) return { tokens: new Uint32Array(0), runMs: 0 };
      const worth = 1 + perMatch * length;
      if (tree && !isOwn) {
        const count = Math.min(maxTokens, worth, maxTree);
        return frequentTree(datastore!, found!, count, maxDepth, stopIds);
      }
      const count = Math.min(maxTokens, maxDepth, worth);
      const draft = isOwn
        ? copyFrom(history, own!.matchEnd + 1, count)
        : mostFrequent(datastore!, found!, count);
      return { tokens: cutAtStop(draft, stopIds), runMs: 0 };
    },
  };
}

/** `count` tokens from index `start` on; past the end of the text, of the copy itself. */
function copyFrom(history: TokenView, start: number, count: number): Uint32Array {
  const known = history.length - start;
  const copy = new Uint32Array(count);
  for (let i = 0; i < count; i++) copy[i] = i < known ? history.at(start + i) : copy[i - known]!;
  return copy;
}

/** At most `count` tokens, each the most frequent one after those before it. */
function mostFrequent(
  datastore: SuffixDatastore,
  { length, from, to }: DatastoreMatch,
  count: number,
): Uint32Array {
  const draft = new Uint32Array(count);
  let first = from;
  let end = to;
  for (let i = 0; i < count; i++) {
    let bestFrom = 0;
    let bestTo = 0;
    datastore.forEachNext(first, end, length + i, (token, low, high) => {
      if (high - low <= bestTo - bestFrom) return;
      draft[i] = token;
      bestFrom = low;
      bestTo = high;
    });
    if (bestFrom === bestTo) return draft.subarray(0, i);
    first = bestFrom;
    end = bestTo;
  }
  return draft;
}

function isCount(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}
