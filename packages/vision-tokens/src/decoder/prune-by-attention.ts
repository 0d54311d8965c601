import type { StageReads } from "@frugal/core";

import { expectInteger, expectNumber } from "../expect.ts";
import { selectByAttention } from "../select/select-by-attention.ts";
import { meanAttention } from "./mean-attention.ts";
import type { PlannedStage } from "./planned-stage.ts";

/** Options of {@link pruneByAttention}. */
export interface PruneByAttentionOptions {
  /** The first layer that sees fewer rows. Default 2. */
  readonly layer?: number;
  /** The part of the images' rows to leave out: `trunc(n drop)` of them. Default 0.5. */
  readonly drop?: number;
  /** Whose attention decides: the last row's, or the mean of the text's or of all. Default `last`. */
  readonly queries?: StageReads["queries"];
}

/**
 * FastV: from a layer on, only those rows of images go on that the layer before attended to most, by
 * the mean over heads. Ties go to the lower index.
 *
 * With `layer: 18` it is the second stage of HoliTom; with `queries: "text"` what MustDrop does inside
 * the decoder. Rows keep their positions. The attention of the last row favours what comes late in an
 * image.
 *
 * @returns the one stage, for `createStagedModel` of `@frugal/decoding`.
 * @throws `InferenceError` `range` for a layer below 1 or a part outside `[0, 1]`.
 * @see Chen et al., arXiv:2403.06764, pkunlp-icler/FastV; `docs/algorithms/pruning-inside-the-decoder.md`
 */
export function pruneByAttention(options: PruneByAttentionOptions = {}): PlannedStage[] {
  const { layer = 2, drop = 0.5, queries = "last" } = options;
  expectNumber("drop", drop, 0, 1);
  return [attentionStage(layer, (total) => total - Math.trunc(total * drop), queries)];
}

/** Options of {@link pruneInSteps}. */
export interface PruneInStepsOptions {
  /** The layers before which rows end, ascending. Default 8, 16 and 24, for 32 layers. */
  readonly layers?: readonly number[];
  /** How much of the images' rows each of them sees, of all they had. Default 0.5, 0.25 and 0.125. */
  readonly keep?: readonly number[];
}

/**
 * PyramidDrop: rows of images end in steps, by the attention of the last row in the layer before, mean
 * over heads: `trunc(n keep)` of the `n` rows at the beginning go on. Ties go to the lower index.
 *
 * Deviation: rows keep their positions; LightCompress numbers them anew.
 *
 * @throws `InferenceError` `range` for layers that do not ascend from 1, another number of parts, or one
 *   outside `[0, 1]`.
 * @see Xing et al., arXiv:2410.17247; `docs/algorithms/pruning-inside-the-decoder.md`
 */
export function pruneInSteps(options: PruneInStepsOptions = {}): PlannedStage[] {
  const { layers = [8, 16, 24], keep = [0.5, 0.25, 0.125] } = options;
  expectInteger("keep.length", keep.length, layers.length, layers.length);
  return layers.map((layer, i) => {
    expectInteger(`layers[${i}]`, layer, i === 0 ? 1 : layers[i - 1]! + 1);
    expectNumber(`keep[${i}]`, keep[i]!, 0, 1);
    return attentionStage(layer, (total) => Math.trunc(total * keep[i]!), "last");
  });
}

/** Keeps the rows with the most attention, at most `count` of them. */
export function attentionStage(
  layer: number,
  count: (total: number) => number,
  queries: StageReads["queries"],
): PlannedStage {
  expectInteger("layer", layer, 1);
  return {
    layer,
    count,
    reads: { kind: "attention", queries, keys: "images" },
    decide({ scores, total }) {
      const attention = meanAttention(scores!);
      return { keep: selectByAttention(attention, Math.min(count(total), attention.length)) };
    },
  };
}
