import { InferenceError, type TidalDecodePolicy, topIndices } from "@frugal/core";

import { expectCount } from "./expect.ts";
import { type Geometry, isFull, type LayerView, type RowSelector } from "./row-selector.ts";
import { rowBudget, type RowBudgetOptions } from "./row-budget.ts";
import { forceSlots, scoresOfHead } from "./scores.ts";

/** Options of {@link tidalDecode}. */
export interface TidalDecodeOptions extends RowBudgetOptions {
  /**
   * Layers that attend to everything and choose for the layers after them, ascending. The layers
   * before the first attend to everything, too. The paper takes 2 and one in the middle, found by
   * `recoveredByLayer`.
   */
  readonly selectAt: readonly number[];
  /** How the query heads of a KV head become one score per row. Default `"max"`. */
  readonly reduce?: "sum" | "max";
}

/**
 * Lets a few layers choose the rows, and the layers after them attend to the same ones.
 *
 * A selection layer attends to everything and takes, per KV head, the `budget` rows of the largest
 * scaled products with the queries (before the softmax), reduced over the query heads that share
 * the KV head and over the rows of the block. The choice is made anew at every step; nothing forces
 * sinks or recent rows in, they win their places.
 *
 * Deviations: the reference selects per query head and supports only as many KV heads; a set per KV
 * head is what a gather can use. The rows of the block are always attended to and not counted.
 * Without the correction of cached rows, see `correctingSequence`.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see TidalDecode (Yang et al.), arXiv:2410.05076; `docs/algorithms/tidal-decode.md`
 */
export function tidalDecode(options: TidalDecodeOptions): TidalDecodePolicy {
  const { selectAt, reduce = "max" } = options;
  if (selectAt.length === 0) {
    throw new InferenceError("range", "selectAt: expected at least one layer, got none");
  }
  for (const [i, layer] of selectAt.entries()) {
    expectCount(`selectAt[${i}]`, layer, i === 0 ? 0 : selectAt[i - 1]! + 1);
  }
  return { kind: "tidal-decode", ...rowBudget(options, 0), selectAt: [...selectAt], reduce };
}

/**
 * The scores by which rows are chosen for a KV head, `[length]`: its scaled products with the
 * queries, reduced over them. NaN where one of them is.
 */
export function reducedScores(
  geometry: Geometry,
  view: LayerView,
  kvHead: number,
  reduce: "sum" | "max",
): Float64Array {
  const { length, rows } = view;
  const queries = (rows * geometry.heads) / geometry.kvHeads;
  const scores = new Float64Array(queries * length);
  scoresOfHead(geometry, view, kvHead, 0, length, scores);
  const reduced = scores.subarray(0, length);
  for (let i = 1; i < queries; i++) {
    for (let slot = 0; slot < length; slot++) {
      const score = scores[i * length + slot]!;
      reduced[slot] = reduce === "sum" ? reduced[slot]! + score : Math.max(reduced[slot]!, score);
    }
  }
  return reduced;
}

/** Selects rows by {@link tidalDecode}. */
export class TidalSelector implements RowSelector {
  readonly #policy: TidalDecodePolicy;
  readonly #geometry: Geometry;
  /** Per KV head, of the last selection layer of this step. */
  #chosen: readonly Uint32Array[] | null = null;

  constructor(policy: TidalDecodePolicy, geometry: Geometry) {
    this.#policy = policy;
    this.#geometry = geometry;
  }

  select(view: LayerView): readonly Uint32Array[] | null {
    const { budget, selectAt, reduce, sinkSlots } = this.#policy;
    if (view.layer < selectAt[0]! || isFull(this.#policy, view)) return null;
    if (!selectAt.includes(view.layer)) return this.#chosen;
    this.#chosen = Array.from({ length: this.#geometry.kvHeads }, (_, kvHead) => {
      const scores = reducedScores(this.#geometry, view, kvHead, reduce);
      forceSlots(scores, 0, sinkSlots);
      return topIndices(scores, 0, view.length, budget);
    });
    return null;
  }

  /** Nothing is remembered from one step to the next. */
  keep(): void {}

  fork(): TidalSelector {
    return new TidalSelector(this.#policy, this.#geometry);
  }
}
