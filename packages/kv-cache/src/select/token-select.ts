import {
  cosine,
  InferenceError,
  samePrefix,
  topIndices,
  type TokenSelectPolicy,
} from "@frugal/core";

import { expectCount } from "./expect.ts";
import { concatRange } from "./slots.ts";
import { type Geometry, isFull, type LayerView, type RowSelector } from "./row-selector.ts";
import { rowBudget, type RowBudgetOptions } from "./row-budget.ts";
import { addSoftmax, forceSlots, scoresOfHead } from "./scores.ts";

/** Options of {@link tokenSelect}. */
export interface TokenSelectOptions extends Partial<RowBudgetOptions> {
  /** First rows that are always attended to. Default 128. */
  readonly sinks?: number;
  /** The most latest rows that are always attended to; at least half of them are. Default 512. */
  readonly recent?: number;
  /**
   * The rows chosen for a query serve later ones whose cosine with it is at least this; null: every
   * step chooses anew. Default 0.9.
   */
  readonly reuse?: number | null;
  /** Odd width of the maximum taken over neighbouring votes. Default 1: none. */
  readonly pooling?: number;
}

/**
 * Attends to the first rows, the latest, and those in between that the heads of a layer vote for.
 *
 * Each query head's softmax over the rows in between is its vote; the sum over the heads decides, so
 * that one loud head does not take every place. The same rows serve all heads of the layer, and the
 * next queries as long as they point the same way. `budget` (default 2,688) counts everything:
 * `budget - sinks - recent` rows are voted for.
 *
 * A block of several rows votes with the mean of their queries, so that a long prompt can be read
 * in chunks that select once each: `maxRows` is unbounded by default.
 *
 * Deviations from the reference: KV head `floor(h / R)` of query head `h` where it reads `h mod G`;
 * scores scaled by `1 / sqrt(headDim)`; true rotary positions (no extrapolation by moving them
 * together); a selection cache that works: the tail keeps all rows since the last selection, and
 * when it would exceed `recent` every layer selects again with a tail of half that.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see TokenSelect (Wu et al., EMNLP 2025), arXiv:2411.02886; `docs/algorithms/token-select.md`
 */
export function tokenSelect(options: TokenSelectOptions = {}): TokenSelectPolicy {
  const { sinks = 128, recent = 512, reuse = 0.9, pooling = 1, budget = 2688 } = options;
  expectCount("sinks", sinks, 0);
  expectCount("recent", recent, 0);
  expectCount("pooling", pooling, 1);
  if (pooling % 2 === 0) {
    throw new InferenceError("range", `pooling: expected an odd width, got ${pooling}`);
  }
  if (reuse !== null && !(reuse >= -1 && reuse <= 1)) {
    throw new InferenceError("range", `reuse: expected a cosine or null, got ${reuse}`);
  }
  const rows = rowBudget({ maxRows: Infinity, ...options, budget }, sinks + recent);
  return { kind: "token-select", ...rows, sinks, recent, reuse, pooling };
}

/**
 * The soft vote of a layer's heads about slots `[from, to)`.
 *
 * _Cost_: `heads * (to - from) * headDim` products.
 *
 * @returns `[to - from]`; sums to the number of heads.
 */
export function softVotes(
  geometry: Geometry,
  view: LayerView,
  from: number,
  to: number,
): Float64Array {
  const group = geometry.heads / geometry.kvHeads;
  const count = to - from;
  const votes = new Float64Array(count);
  const scores = new Float64Array(view.rows * group * count);
  for (let kvHead = 0; kvHead < geometry.kvHeads; kvHead++) {
    scoresOfHead(geometry, view, kvHead, from, to, scores);
    for (let i = 0; i < view.rows * group; i++) addSoftmax(scores, i * count, count, votes);
  }
  return votes;
}

/** The maximum of each value and its neighbours, `width` odd; shorter at the ends. */
export function maxPool(values: Float64Array, width: number): Float64Array {
  if (width === 1) return values;
  const reach = (width - 1) / 2;
  return values.map((_, i) => {
    let max = -Infinity;
    for (let j = Math.max(0, i - reach); j <= i + reach && j < values.length; j++) {
      if (values[j]! > max) max = values[j]!;
    }
    return max;
  });
}

/** What a layer chose, and for which query. */
interface Choice {
  readonly query: Float64Array;
  readonly picked: Uint32Array;
}

/** Selects rows by {@link tokenSelect}. */
export class TokenSelector implements RowSelector {
  readonly #policy: TokenSelectPolicy;
  readonly #geometry: Geometry;
  readonly #choices: (Choice | undefined)[] = [];
  /** First slot of the latest rows; what was chosen lies before it. */
  #tail = Infinity;

  constructor(policy: TokenSelectPolicy, geometry: Geometry) {
    this.#policy = policy;
    this.#geometry = geometry;
  }

  select(view: LayerView): Uint32Array | null {
    if (isFull(this.#policy, view)) return null;
    const { sinks, reuse } = this.#policy;
    this.#moveTail(view.length);
    const query = meanQuery(view);
    let choice = this.#choices[view.layer];
    if (choice === undefined || reuse === null || cosine(query, choice.query) < reuse) {
      choice = { query, picked: this.#pick({ ...view, queries: query, rows: 1 }) };
      this.#choices[view.layer] = choice;
    }
    return concatRange(sinks, choice.picked, this.#tail, view.length);
  }

  /** Called with the same length for every layer of a step: only the first call changes anything. */
  #moveTail(length: number): void {
    const { recent, reuse } = this.#policy;
    if (this.#tail <= length && length - this.#tail <= recent && reuse !== null) return;
    this.#tail = length - (reuse === null ? recent : Math.ceil(recent / 2));
    this.#choices.length = 0;
  }

  #pick(view: LayerView): Uint32Array {
    const { budget, sinks, recent, pooling, sinkSlots } = this.#policy;
    const votes = softVotes(this.#geometry, view, sinks, this.#tail);
    const pooled = maxPool(votes, pooling);
    forceSlots(pooled, sinks, sinkSlots);
    const picked = topIndices(pooled, 0, pooled.length, budget - sinks - recent);
    return picked.map((i) => i + sinks);
  }

  keep(slots: Uint32Array): void {
    if (samePrefix(slots) < this.#tail) this.#tail = Infinity;
  }

  fork(): TokenSelector {
    const copy = new TokenSelector(this.#policy, this.#geometry);
    copy.#choices.push(...this.#choices);
    copy.#tail = this.#tail;
    return copy;
  }
}

/** The mean of a block's queries, `[heads * headDim]`. */
function meanQuery({ queries, rows }: LayerView): Float64Array {
  const width = queries.length / rows;
  const mean = new Float64Array(width);
  for (let i = 0; i < queries.length; i++) mean[i % width]! += queries[i]! / rows;
  return mean;
}
