import { InferenceError, type LanguageModel, type LayerStage } from "@frugal/core";

import { expectRange } from "../sampling/sampling-options.ts";
import { checkRanges, joinCapabilities, joinInfo } from "./join-ranges.ts";
import { StagedSequence } from "./staged-sequence.ts";

/** How to load a range of a {@link createStagedModel}; options of `loadModel`. */
export interface StagedRangeOptions {
  readonly layers: readonly [from: number, to: number];
  readonly scores?: "attention" | "logits";
  readonly head: boolean;
}

/**
 * The ranges that a model of `layers` layers is to be loaded in, so that the stages stand between them.
 *
 * @throws {@link InferenceError} `range` for stages that do not stand between layers, or not in order.
 */
export function stagedRanges(
  layers: number,
  stages: readonly LayerStage[],
): readonly StagedRangeOptions[] {
  checkStages(layers, stages);
  const bounds = [0, ...stages.map(({ layer }) => layer), layers];
  return bounds.slice(1).map((to, i) => {
    const reads = stages[i]?.reads;
    return {
      layers: [bounds[i]!, to],
      ...(reads && { scores: reads.kind }),
      head: i === stages.length,
    };
  });
}

/**
 * A model in whose upper layers rows of images end: what each stage leaves out is neither computed nor
 * cached from its layer on. Equal to the model that is masked so, and without rows of images to the
 * model itself.
 *
 * Rows of images are those that `Block.images` names. They, and what follows them, go through the first
 * range at once and through the others with the first step that wants logits, so that stages know the
 * question, whether it came in one block or in several. Rows keep their positions; `keep`, trees, forks
 * and speculation work on the slots of the whole text.
 *
 * Positions are always `"absolute"`. Taps are not returned, and logits of a block with images only for a
 * last row of text. Cost: that of the ranges, one run each per step, and hidden states that cross to
 * JavaScript between them. Owns the ranges.
 *
 * @param ranges the model in the ranges of {@link stagedRanges}.
 * @throws {@link InferenceError} `range` for stages that do not stand between the ranges; `shape` or
 *   `unsupported` for ranges that do not fit together, cannot be numbered, or do not report the scores
 *   that a stage reads.
 * @see `docs/algorithms/pruning-inside-the-decoder.md`
 */
export function createStagedModel(
  ranges: readonly LanguageModel[],
  stages: readonly LayerStage[],
): LanguageModel {
  checkRanges(ranges.map((range) => ({ info: range.info, capabilities: range.capabilities })));
  const info = joinInfo(ranges.map((range) => range.info));
  checkStages(info.layers, stages);
  const capabilities = {
    ...joinCapabilities(ranges.map((range) => range.capabilities)),
    taps: false,
  };
  const parts = { info, capabilities, stages: placeStages(ranges, stages) };
  return {
    info,
    capabilities,
    async createSequence({ positions = "absolute" } = {}) {
      if (positions !== "absolute") {
        throw new InferenceError("unsupported", `positions: expected "absolute", got ${positions}`);
      }
      const [first, ...rest] = await Promise.all(
        ranges.map((range) => range.createSequence({ positions })),
      );
      return new StagedSequence(
        parts,
        first!,
        rest.map((sequence) => ({ sequence, slots: [] })),
      );
    },
    async dispose() {
      await Promise.all(ranges.map((range) => range.dispose()));
    },
  };
}

function checkStages(layers: number, stages: readonly LayerStage[]): void {
  let before = 0;
  for (const [i, { layer }] of stages.entries()) {
    const isBetween = Number.isInteger(layer) && layer > before && layer < layers;
    expectRange(`stages[${i}].layer`, layer, `a layer in (${before}, ${layers})`, isBetween);
    before = layer;
  }
}

/** Stages by the range that they precede. */
function placeStages(
  ranges: readonly LanguageModel[],
  stages: readonly LayerStage[],
): (LayerStage | undefined)[] {
  const placed: (LayerStage | undefined)[] = Array(ranges.length).fill(undefined);
  const starts: number[] = [];
  let layer = 0;
  for (const { info } of ranges) {
    starts.push(layer);
    layer += info.layers;
  }
  for (const stage of stages) {
    const at = starts.indexOf(stage.layer);
    expectRange("stages", stage.layer, `one of the layers ${starts.slice(1).join(", ")}`, at > 0);
    const { positions, scores } = ranges[at - 1]!.capabilities;
    if (!positions || (stage.reads !== null && scores !== stage.reads.kind)) {
      const wanted = positions ? `scores: "${stage.reads!.kind}"` : "positions";
      throw new InferenceError("unsupported", `ranges[${at - 1}]: expected ${wanted}`);
    }
    placed[at] = stage;
  }
  return placed;
}
