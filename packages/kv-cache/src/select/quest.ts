import { PageBounds, type QuestPolicy, samePrefix, topIndices } from "@frugal/core";

import { expectCount } from "./expect.ts";
import { type Geometry, isFull, type LayerView, type RowSelector } from "./row-selector.ts";
import { rowBudget, type RowBudgetOptions } from "./row-budget.ts";
import { forceSlots } from "./scores.ts";

/** Options of {@link quest}. */
export interface QuestOptions extends RowBudgetOptions {
  /** Rows of a page. Default 16. */
  readonly pageSize?: number;
  /** Layers at the beginning that attend to everything. Default 2. */
  readonly dense?: number;
}

/**
 * Attends to the pages whose keys could give the highest scores, judged by bounds that are kept
 * beside the cache: `2 / pageSize` of the keys is read to choose.
 *
 * A page is worth `sum_d max(q_d * min_d, q_d * max_d)`, no less than any product of the query with
 * one of its keys; per KV head, the largest over the query heads that share it and the rows of the
 * block. The page that is being filled is always attended to, and counts.
 *
 * Deviations: a set of pages per KV head, not per query head; the reference takes three pages at the
 * least, this takes as many as fit the budget, at least one.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval; a budget that has no
 *   room for a page beside the one that is being filled.
 * @see Quest (Tang et al., ICML 2024), arXiv:2406.10774; `docs/algorithms/quest.md`
 */
export function quest(options: QuestOptions): QuestPolicy {
  const { pageSize = 16, dense = 2 } = options;
  expectCount("pageSize", pageSize, 1);
  expectCount("dense", dense, 0);
  return { kind: "quest", ...rowBudget(options, 2 * pageSize - 2), pageSize, dense };
}

/**
 * The bound of every full page, `[pages]`: the largest unscaled product that a query of the KV head
 * can have with a key of the page, or more.
 *
 * _Cost_: `2 * pages * headDim` products per query.
 */
export function pageScores(
  { heads, kvHeads, headDim }: Geometry,
  { queries, rows }: Pick<LayerView, "queries" | "rows">,
  bounds: PageBounds,
  kvHead: number,
): Float64Array {
  const group = heads / kvHeads;
  const { minima, maxima } = bounds;
  const scores = new Float64Array(bounds.pages);
  for (let page = 0; page < bounds.pages; page++) {
    const bound = (kvHead * bounds.capacity + page) * headDim;
    let best = -Infinity;
    for (let i = 0; i < rows * group; i++) {
      const at = (Math.floor(i / group) * heads + kvHead * group + (i % group)) * headDim;
      let sum = 0;
      for (let c = 0; c < headDim; c++) {
        const q = queries[at + c]!;
        sum += Math.max(q * minima[bound + c]!, q * maxima[bound + c]!);
      }
      if (sum > best) best = sum;
    }
    scores[page] = best;
  }
  return scores;
}

/** Selects rows by {@link quest}. */
export class QuestSelector implements RowSelector {
  readonly #policy: QuestPolicy;
  readonly #geometry: Geometry;
  #bounds: PageBounds[] = [];

  constructor(policy: QuestPolicy, geometry: Geometry) {
    this.#policy = policy;
    this.#geometry = geometry;
  }

  select(view: LayerView): readonly Uint32Array[] | null {
    const { budget, pageSize, dense, sinkSlots } = this.#policy;
    if (view.layer < dense || isFull(this.#policy, view)) return null;
    const bounds = (this.#bounds[view.layer] ??= new PageBounds(
      this.#geometry.kvHeads,
      this.#geometry.headDim,
      pageSize,
    ));
    bounds.extend(view);
    const unfinished = view.length - bounds.pages * pageSize;
    const count = Math.floor((budget - unfinished) / pageSize);
    const sinkPages = sinkSlots.map((slot) => Math.floor(slot / pageSize));
    return Array.from({ length: this.#geometry.kvHeads }, (_, kvHead) => {
      const scores = pageScores(this.#geometry, view, bounds, kvHead);
      forceSlots(scores, 0, sinkPages);
      const pages = topIndices(scores, 0, scores.length, count);
      return rowsOfPages(pages, pageSize, bounds.pages, view.length);
    });
  }

  keep(slots: Uint32Array): void {
    const same = samePrefix(slots);
    for (const bounds of this.#bounds) bounds?.truncate(same);
  }

  fork(): QuestSelector {
    const copy = new QuestSelector(this.#policy, this.#geometry);
    copy.#bounds = this.#bounds.map((bounds) => bounds?.clone());
    return copy;
  }
}

/** The rows of the pages, then those of the page that is being filled. */
export function rowsOfPages(
  pages: Uint32Array,
  pageSize: number,
  full: number,
  length: number,
): Uint32Array {
  const rest = length - full * pageSize;
  const rows = new Uint32Array(pages.length * pageSize + rest);
  for (const [i, page] of pages.entries()) {
    for (let j = 0; j < pageSize; j++) rows[i * pageSize + j] = page * pageSize + j;
  }
  for (let j = 0; j < rest; j++) rows[pages.length * pageSize + j] = full * pageSize + j;
  return rows;
}
