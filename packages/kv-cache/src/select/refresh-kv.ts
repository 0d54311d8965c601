import {
  cosine,
  InferenceError,
  type RefreshKvPolicy,
  RefreshSchedule,
  samePrefix,
  topIndices,
} from "@frugal/core";

import { expectCount } from "./expect.ts";
import { type Geometry, isFull, type LayerView, type RowSelector } from "./row-selector.ts";
import { rowBudget, type RowBudgetOptions } from "./row-budget.ts";
import { addSoftmax, forceSlots, scoresOfHead } from "./scores.ts";
import { concatRange } from "./slots.ts";

/** Options of {@link refreshKv}. */
export interface RefreshKvOptions extends RowBudgetOptions {
  /** First rows that are always attended to. Default 4. */
  readonly sinks?: number;
  /** Latest rows that a full step keeps in any case. Default 32. */
  readonly recent?: number;
  /** A full step comes after so many appended rows at the latest; 1: every step. Default 16. */
  readonly stride?: number;
  /**
   * A full step comes sooner where the mean cosine, over layers and heads, of the query with that
   * of the last full step is below `cosine` (default 0.9), looked at once in `every` rows (default
   * 8). Null, the default: only the stride decides.
   */
  readonly drift?: { readonly every?: number; readonly cosine?: number } | null;
}

/**
 * Alternates full steps, which attend to everything and note what was attended to most, with cheap
 * ones that attend to that and to what was appended since.
 *
 * A full step takes, per KV head, the rows with the largest attention weights, summed over the query
 * heads that share it and the rows of the block; sinks and recent rows are among them in any case.
 * `budget` counts all: `budget - stride + 1` rows are noted, `stride - 1` appended ones follow.
 *
 * No reference code is public; where the paper's text is silent this decides: rows are noted by the
 * first step after the prompt, not by the prompt; the rows noted grow by what is appended and are
 * never trimmed before the next full step; drift is looked at in one step and acted on in the next.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see Recycled Attention / RefreshKV (Xu et al., ACL 2025), arXiv:2411.05787;
 *   `docs/algorithms/refresh-kv.md`
 */
export function refreshKv(options: RefreshKvOptions): RefreshKvPolicy {
  const { sinks = 4, recent = 32, stride = 16, drift = null } = options;
  expectCount("sinks", sinks, 0);
  expectCount("recent", recent, 0);
  expectCount("stride", stride, 1);
  const rows = rowBudget(options, sinks + recent + stride - 1);
  if (drift === null) return { kind: "refresh-kv", ...rows, sinks, recent, stride, drift };
  const { every = 8, cosine: bound = 0.9 } = drift;
  expectCount("drift.every", every, 1);
  if (!(bound >= -1 && bound <= 1)) {
    throw new InferenceError("range", `drift.cosine: expected a cosine, got ${bound}`);
  }
  return { kind: "refresh-kv", ...rows, sinks, recent, stride, drift: { every, cosine: bound } };
}

/** What a layer noted at the last full step. */
interface Noted {
  /** Per KV head. */
  readonly rows: readonly Uint32Array[];
  /** The block's queries, `[rows, heads, headDim]`. */
  readonly queries: Float64Array;
}

/** Selects rows by {@link refreshKv}. */
export class RefreshSelector implements RowSelector {
  readonly #policy: RefreshKvPolicy;
  readonly #geometry: Geometry;
  readonly #noted: Noted[] = [];
  #schedule: RefreshSchedule;
  #isFull = true;
  #cosines = 0;

  constructor(policy: RefreshKvPolicy, geometry: Geometry) {
    this.#policy = policy;
    this.#geometry = geometry;
    this.#schedule = new RefreshSchedule(policy);
  }

  select(view: LayerView): readonly Uint32Array[] | null {
    if (isFull(this.#policy, view)) {
      this.#schedule.reset();
      return null;
    }
    if (view.layer === 0) {
      this.#isFull = this.#schedule.isFull(view.length);
      if (this.#isFull) this.#schedule.refresh(view.length);
      this.#cosines = 0;
    }
    if (this.#isFull) {
      this.#noted[view.layer] = this.#note(view);
      return null;
    }
    this.#look(view);
    const { rows } = this.#noted[view.layer]!;
    const last = this.#schedule.last!;
    return rows.map((noted) => concatRange(0, noted, last, view.length));
  }

  #note(view: LayerView): Noted {
    const { budget, stride, sinks, recent, sinkSlots } = this.#policy;
    const count = budget - stride + 1;
    const rows = Array.from({ length: this.#geometry.kvHeads }, (_, kvHead) => {
      const weights = attentionOfHead(this.#geometry, view, kvHead);
      weights.fill(Infinity, 0, sinks);
      weights.fill(Infinity, view.length - recent);
      forceSlots(weights, 0, sinkSlots);
      return topIndices(weights, 0, view.length, count);
    });
    return { rows, queries: Float64Array.from(view.queries) };
  }

  /** Compares the first row's queries with those of the last full step, head by head. */
  #look(view: LayerView): void {
    if (!this.#schedule.looks(view.length)) return;
    const { layers, heads, headDim } = this.#geometry;
    const { queries } = this.#noted[view.layer]!;
    for (let h = 0; h < heads; h++) {
      const [from, to] = [h * headDim, (h + 1) * headDim];
      this.#cosines += cosine(view.queries.subarray(from, to), queries.subarray(from, to));
    }
    if (view.layer === layers - 1) {
      this.#schedule.observe(view.length, this.#cosines / (layers * heads));
    }
  }

  keep(slots: Uint32Array): void {
    if (samePrefix(slots) < (this.#schedule.last ?? 0)) this.#schedule.reset();
  }

  fork(): RefreshSelector {
    const copy = new RefreshSelector(this.#policy, this.#geometry);
    copy.#noted.push(...this.#noted);
    copy.#schedule = this.#schedule.fork();
    return copy;
  }
}

/** Attention weights of the cached rows, `[length]`, summed over the queries of a KV head. */
function attentionOfHead(geometry: Geometry, view: LayerView, kvHead: number): Float64Array {
  const { length, rows } = view;
  const queries = (rows * geometry.heads) / geometry.kvHeads;
  const scores = new Float64Array(queries * length);
  scoresOfHead(geometry, view, kvHead, 0, length, scores);
  const weights = new Float64Array(length);
  for (let i = 0; i < queries; i++) addSoftmax(scores, i * length, length, weights);
  return weights;
}
