import { topIndices } from "@frugal/core";

import { expectInteger, expectNumber } from "../expect.ts";
import { pageRank, type PageRankOptions } from "./page-rank.ts";
import type { PlannedStage } from "./planned-stage.ts";

/** Options of {@link linearRetention}. */
export interface LinearRetentionOptions {
  /** The first layer that sees fewer rows. Default half of the layers. */
  readonly start?: number;
  /** The part of all rows that ends before it and before each layer after it. Default 0.125. */
  readonly slope?: number;
}

/**
 * The part of the images' rows that each layer sees: all before layer `start`, then `slope` less in
 * every layer, down to none.
 *
 * @throws `InferenceError` `range` for numbers outside their intervals.
 * @see AIM (Zhong et al.), arXiv:2412.03248
 */
export function linearRetention(
  layers: number,
  options: LinearRetentionOptions = {},
): Float64Array {
  expectInteger("layers", layers, 1);
  const { start = layers >> 1, slope = 0.125 } = options;
  expectInteger("start", start, 1);
  expectNumber("slope", slope, 0, 1);
  return Float64Array.from({ length: layers }, (_, layer) =>
    Math.max(0, 1 - slope * Math.max(0, layer - start + 1)),
  );
}

/** Options of {@link pruneByRank}. */
export interface PruneByRankOptions extends LinearRetentionOptions, PageRankOptions {
  /** Layers of the model. */
  readonly layers: number;
}

/**
 * The second stage of AIM: in the upper half of the layers, every layer sees fewer rows of images than
 * the one before, those that rank highest by {@link pageRank} over its logits. Ties go to the lower
 * index. A stage per layer until no row is left.
 *
 * Deviation: what enters layer `l` is chosen by the logits of layer `l - 1`; in the reference those of
 * layer `l` mask layer `l + 1`, while its count of operations goes by `l`, which is ours. Logits of all
 * rows that run cross to JavaScript: `heads · n²` numbers per stage.
 *
 * @throws `InferenceError` `range` for numbers outside their intervals.
 * @see Zhong et al., arXiv:2412.03248, LaVi-Lab/AIM; `docs/algorithms/pruning-inside-the-decoder.md`
 */
export function pruneByRank(options: PruneByRankOptions): PlannedStage[] {
  const retained = linearRetention(options.layers, options);
  const stages: PlannedStage[] = [];
  for (let layer = 1; layer < retained.length; layer++) {
    const rate = retained[layer]!;
    if (rate === retained[layer - 1]!) continue;
    const count = (total: number): number => Math.trunc(total * rate);
    stages.push({
      layer,
      count,
      reads: rate === 0 ? null : { kind: "logits", queries: "all", keys: "all" },
      decide({ scores, columns, total }) {
        if (scores === null) return { keep: new Uint32Array(0) };
        const ranks = pageRank(scores, scores.rows / scores.cols, options);
        const own = Float32Array.from(columns, (column) => ranks[column]!);
        return { keep: topIndices(own, 0, own.length, count(total)) };
      },
    });
  }
  return stages;
}
