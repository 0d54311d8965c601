import { type LandmarkPolicy, topIndices } from "@frugal/core";

import { expectCount } from "../select/expect.ts";
import { rowsOfPages } from "../select/quest.ts";
import { rowBudget, type RowBudgetOptions } from "../select/row-budget.ts";
import { type Geometry, isFull, type LayerView, type RowSelector } from "../select/row-selector.ts";
import { addSoftmax, forceSlots } from "../select/scores.ts";
import { groupedLandmarkSoftmax } from "./grouped-softmax.ts";

/** Options of {@link landmarkAttention}. */
export interface LandmarkOptions extends RowBudgetOptions {
  /** Tokens of a block, its landmark included. Default 51; the published LLaMA weights have 64. */
  readonly blockSize?: number;
}

/**
 * Attends to the blocks whose landmark tokens attract the query; for models trained with landmarks,
 * on text with them ({@link insertLandmarks}).
 *
 * Weights are those of {@link groupedLandmarkSoftmax} in every step, sparse or not. Where a cache is
 * long enough, each KV head attends to the blocks of the largest landmark weights (softmax over the
 * landmarks, then the largest over the query heads that share it and the rows), in full, and to the
 * unfinished block. `budget` counts rows, those of the unfinished block included.
 *
 * A block that crosses into the next landmark block attends to everything. Landmarks are where slots
 * say: a sequence under this policy rolls back but does not evict, and takes trees only within a
 * landmark block. Keys keep their true positions;
 * {@link landmarkPositions} has those by which the reference reads more than it was trained to.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see Landmark Attention (Mohtashami and Jaggi, 2023), arXiv:2305.16300;
 *   `docs/algorithms/landmark-attention.md`
 */
export function landmarkAttention(options: LandmarkOptions): LandmarkPolicy {
  const { blockSize = 51 } = options;
  expectCount("blockSize", blockSize, 2);
  return { kind: "landmark", ...rowBudget(options, 2 * blockSize - 2), blockSize };
}

/** Selects rows and weighs them by {@link landmarkAttention}. */
export class LandmarkSelector implements RowSelector {
  readonly #policy: LandmarkPolicy;
  readonly #geometry: Geometry;

  constructor(policy: LandmarkPolicy, geometry: Geometry) {
    this.#policy = policy;
    this.#geometry = geometry;
  }

  select(view: LayerView): readonly Uint32Array[] | null {
    const { budget, blockSize, sinkSlots } = this.#policy;
    const unfinished = view.length % blockSize;
    if (isFull(this.#policy, view) || unfinished + view.rows > blockSize) return null;
    const blocks = (view.length - unfinished) / blockSize;
    const count = Math.floor((budget - unfinished) / blockSize);
    const sinkBlocks = sinkSlots.map((slot) => Math.floor(slot / blockSize));
    return Array.from({ length: this.#geometry.kvHeads }, (_, kvHead) => {
      const weights = landmarkWeights(this.#geometry, view, blockSize, blocks, kvHead);
      forceSlots(weights, 0, sinkBlocks);
      const chosen = topIndices(weights, 0, blocks, count);
      return rowsOfPages(chosen, blockSize, blocks, view.length);
    });
  }

  weigh(scores: ArrayLike<number>, slots: ArrayLike<number>): Float64Array {
    const { blockSize } = this.#policy;
    const n = slots.length;
    const blocks = new Uint32Array(n);
    const landmarks = new Uint8Array(n);
    for (let i = 0; i < n; i++) {
      blocks[i] = Math.floor(slots[i]! / blockSize);
      landmarks[i] = slots[i]! % blockSize === blockSize - 1 ? 1 : 0;
    }
    return groupedLandmarkSoftmax(scores, blocks, landmarks, blocks[n - 1]!);
  }

  /** Nothing is remembered from one step to the next. */
  keep(): void {}

  fork(): LandmarkSelector {
    return new LandmarkSelector(this.#policy, this.#geometry);
  }
}

/** The largest weight that a query of the KV head gives each block's landmark, `[blocks]`. */
function landmarkWeights(
  { heads, kvHeads, headDim }: Geometry,
  { queries, rows, keys, capacity }: LayerView,
  blockSize: number,
  blocks: number,
  kvHead: number,
): Float64Array {
  const group = heads / kvHeads;
  const scale = 1 / Math.sqrt(headDim);
  const largest = new Float64Array(blocks);
  const scores = new Float64Array(blocks);
  const weights = new Float64Array(blocks);
  for (let i = 0; i < rows * group; i++) {
    const query = (Math.floor(i / group) * heads + kvHead * group + (i % group)) * headDim;
    for (let block = 0; block < blocks; block++) {
      const key = (kvHead * capacity + (block + 1) * blockSize - 1) * headDim;
      let sum = 0;
      for (let c = 0; c < headDim; c++) sum += queries[query + c]! * keys[key + c]!;
      scores[block] = sum * scale;
    }
    addSoftmax(scores, 0, blocks, weights.fill(0));
    for (let block = 0; block < blocks; block++) {
      largest[block] = Math.max(largest[block]!, weights[block]!);
    }
  }
  return largest;
}
