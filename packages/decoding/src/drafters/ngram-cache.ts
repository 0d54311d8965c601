import { expectRange, isIn } from "../sampling/sampling-options.ts";
import type { Drafter } from "./drafter.ts";
import { NgramTable } from "./ngram-table.ts";
import type { TokenView } from "./token-view.ts";

/** Options of {@link ngramCache}. */
export interface NgramCacheOptions {
  /** The longest n-gram looked at, in [1, 4]. Default 4. */
  readonly maxNgram?: number;
  /** The shortest, tried last. Default 1. */
  readonly minNgram?: number;
  /** Counts of earlier texts; each text is added when the next one begins. Default: none. */
  readonly dynamic?: NgramTable;
  /** Counts of a corpus, looked up by its last two tokens. Default: none. */
  readonly fixed?: NgramTable;
}

/** What an n-gram must show before its best continuation is drafted, for n = 1, 2, 3, 4. */
interface Demand {
  readonly samples: readonly number[];
  readonly percent: readonly number[];
}

/** For counts of the text itself. */
const lax: Demand = { samples: [2, 2, 1, 1], percent: [66, 50, 50, 50] };
/** For those of other texts. */
const strict: Demand = { samples: [4, 3, 2, 2], percent: [75, 66, 66, 66] };

/** How long the n-grams are that the corpus is asked for. */
const fixedOrder = 2;

/**
 * A drafter that counts what followed each n-gram, and drafts where the counts are clear.
 *
 * For every drafted token it asks the text so far, then earlier texts, then a corpus. In the first
 * two, from the longest n-gram down, the continuation with the largest count (times 100 times its
 * count in the corpus, if it is there) is taken if the n-gram was seen often enough and that
 * continuation had a large enough share; ties go to the lower id. The first that has an answer gives
 * the token, and it is drafted on behind it. The draft ends with a stop id.
 *
 * Cost: O(maxNgram²) per token of the text and per drafted one; with `fixed` also the number of
 * different continuations of the n-grams that are clear.
 *
 * @throws {@link InferenceError} `range` unless `1 <= minNgram <= maxNgram <= 4`, for a `dynamic`
 *   table of a smaller order than `maxNgram`, or a `fixed` one of a smaller order than 2.
 * @see `docs/algorithms/ngram-drafting.md`; ggml-org/llama.cpp, `common_ngram_cache_draft`
 */
export function ngramCache(options: NgramCacheOptions = {}): Drafter {
  const { maxNgram = 4, minNgram = 1, dynamic = null, fixed = null } = options;
  expectRange("maxNgram", maxNgram, "an integer in [1, 4]", isIn(maxNgram, 1, 4));
  const low = `an integer in [1, ${maxNgram}]`;
  expectRange("minNgram", minNgram, low, isIn(minNgram, 1, maxNgram));
  const order = dynamic?.order ?? maxNgram;
  expectRange("dynamic.order", order, `at least ${maxNgram}`, order >= maxNgram);
  const fixedHas = fixed?.order ?? fixedOrder;
  expectRange("fixed.order", fixedHas, `at least ${fixedOrder}`, fixedHas >= fixedOrder);

  let tokens: TokenView | null = null;
  let counted = 0;
  let own = new NgramTable(maxNgram);

  const follow = (history: TokenView): void => {
    if (tokens !== history) {
      if (tokens !== null) dynamic?.add(tokens.slice(0));
      tokens = history;
      own = new NgramTable(maxNgram);
      counted = 0;
    }
    const at = (index: number): number => history.at(index);
    for (; counted < history.length; counted++) own.addLast(at, counted);
  };

  return {
    kinds: ["point"],
    propose({ history, maxTokens, stopIds }) {
      follow(history);
      const draft = new Uint32Array(maxTokens);
      const at = (index: number): number =>
        index < history.length ? history.at(index) : draft[index - history.length]!;
      let count = 0;
      while (count < maxTokens) {
        const end = history.length + count;
        const known = end >= fixedOrder && fixed !== null ? phrase(fixed, at, end, fixedOrder) : 0;
        let token = -1;
        for (const table of [own, dynamic]) {
          if (table === null || token >= 0) continue;
          const demand = table === own ? lax : strict;
          for (let n = Math.min(maxNgram, end); n >= minNgram && token < 0; n--) {
            const node = phrase(table, at, end, n);
            token = clearNext(table, node, n, demand, fixed, known);
          }
        }
        if (token < 0 && fixed !== null) {
          token = clearNext(fixed, known, fixedOrder, lax, null, 0);
        }
        if (token < 0) break;
        draft[count++] = token;
        if (stopIds.has(token)) break;
      }
      return { tokens: draft.subarray(0, count), runMs: 0 };
    },
  };
}

/** The node of the `n` tokens that end before `end`, or 0. */
function phrase(table: NgramTable, at: (index: number) => number, end: number, n: number): number {
  let node = table.first(at(end - n));
  for (let i = end - n + 1; i < end; i++) node = table.after(node, at(i));
  return node;
}

/** The continuation of a phrase that the demand allows, weighted by the corpus; -1 without one. */
function clearNext(
  table: NgramTable,
  node: number,
  n: number,
  { samples, percent }: Demand,
  fixed: NgramTable | null,
  known: number,
): number {
  const best = node === 0 ? 0 : table.bestOf(node);
  const total = table.totalOf(node);
  const needed = percent[n - 1]! * total;
  // Whatever the corpus says, no continuation has a larger share than the most frequent one.
  if (best === 0 || total < samples[n - 1]! || 100 * table.countOf(best) < needed) return -1;
  const chosen = fixed === null || known === 0 ? best : weighted(table, node, fixed, known);
  return 100 * table.countOf(chosen) < needed ? -1 : table.tokenOf(chosen);
}

/** The continuation with the largest product of both counts. */
function weighted(table: NgramTable, node: number, fixed: NgramTable, known: number): number {
  let best = 0;
  let most = 0;
  table.forEachNext(node, (child) => {
    const token = table.tokenOf(child);
    const inFixed = fixed.countOf(fixed.after(known, token));
    const weight = table.countOf(child) * (inFixed > 0 ? 100 * inFixed : 1);
    if (weight < most || (weight === most && token > table.tokenOf(best))) return;
    most = weight;
    best = child;
  });
  return best;
}
