/**
 * How many tokens an image costs, which of them a language model needs, and what leaving out the
 * rest saves.
 *
 * Pure functions over sizes and typed arrays. Nothing here knows about models or devices.
 *
 * @module
 */
export { averagePool } from "./grid/average-pool.ts";
export { pixelShuffle } from "./grid/pixel-shuffle.ts";
export { resizeBilinear, resizeNearest } from "./grid/resize.ts";
export {
  clusterDensityPeaks,
  type Clusters,
  type DensityPeaks,
} from "./cluster/cluster-density-peaks.ts";
export { labelSimilar } from "./cluster/label-similar.ts";
export { localOutlierCount, localOutlierFactors } from "./cluster/local-outlier-factors.ts";
export { mergeClusters } from "./cluster/merge-clusters.ts";
export { compositeToken, type Phrase, replaceEnd } from "./conditioning/composite-token.ts";
export { padRows, replaceSpan } from "./conditioning/replace-span.ts";
export {
  type PointPrompts,
  refinePoint,
  similarityToPoints,
  type SimilarityToPointsOptions,
} from "./points/similarity-to-points.ts";
export { matryoshkaLevels, matryoshkaPool } from "./projector/matryoshka.ts";
export {
  mixByPooling,
  type MixByPoolingOptions,
  type PoolingProjections,
} from "./projector/mix-by-pooling.ts";
export { type PooledSwigluParams, projectPooled } from "./projector/pooled-swiglu.ts";
export {
  adaptiveNorm,
  TemporalAttention,
  type TemporalAttentionOptions,
  timestampEmbedding,
} from "./projector/temporal-attention.ts";
export { type CrossAttentionParams, VisualCache } from "./projector/visual-cache.ts";
export {
  mergeAroundAnchors,
  type MergeAroundAnchorsOptions,
} from "./video/merge-around-anchors.ts";
export { mergeRuns } from "./video/merge-runs.ts";
export { mergeScenes, type MergeScenesOptions } from "./video/merge-scenes.ts";
export {
  mergeStillAndSalient,
  type MergeStillAndSalientOptions,
} from "./video/merge-still-and-salient.ts";
export { type CellGrid } from "./tiles/unpad.ts";
export { roundHalfEven } from "./round-half-even.ts";
export { adaptVision, type AdaptVisionOptions } from "./tiles/adapt-vision.ts";
export { allocateTiles, type AllocateTilesOptions } from "./tiles/allocate-tiles.ts";
export { anyRes, type AnyResOptions, oneVision } from "./tiles/any-res.ts";
export type { Resolution } from "./tiles/best-resolution.ts";
export { idefics3, type Idefics3Options } from "./tiles/idefics3.ts";
export { internVl, type InternVlOptions } from "./tiles/intern-vl.ts";
export { packTiles } from "./tiles/pack-tiles.ts";
export { qwen, type QwenOptions } from "./tiles/qwen.ts";
export { countTiles, type Tiler, type TilePlan } from "./tiles/tile-plan.ts";
export {
  compareSavings,
  estimateCost,
  type Savings,
  type VisionCost,
  type VisionInput,
  type VisionModelDims,
} from "./cost/estimate-cost.ts";
export {
  type DecoderDims,
  decoderFlops,
  decodeStepFlops,
  type EncoderDims,
  encoderFlops,
  type VitDims,
  vitFlops,
} from "./cost/flops.ts";
export { assertPlan, type DecoderInput } from "./sequence/assert-plan.ts";
export { expandIds, expandRows } from "./sequence/expand-plan.ts";
export { hashKeep } from "./sequence/hash-keep.ts";
export { type Grid, type PositionScheme } from "./sequence/place-prompt.ts";
export { planBlocks } from "./sequence/plan-blocks.ts";
export {
  type PlannedImage,
  planSequence,
  type PlanSequenceOptions,
  type SequencePlan,
} from "./sequence/plan-sequence.ts";
export {
  type MaxMinSelection,
  selectMaxMin,
  type SelectMaxMinOptions,
} from "./select/select-max-min.ts";
export { unitRows } from "./select/unit-rows.ts";
export { mergeIntoOutliers, type MergeIntoOutliersOptions } from "./select/merge-into-outliers.ts";
export { mergeRest, type MergeRestOptions } from "./select/merge-rest.ts";
export { outlierRatio } from "./select/outlier-ratio.ts";
export { absorbRest, absorbWeighted } from "./select/absorb-rest.ts";
export { mergeConnected } from "./select/merge-connected.ts";
export { mergeRecoverable, type MergeRecoverableOptions } from "./select/merge-recoverable.ts";
export { mergeWindows, type MergeWindowsOptions } from "./select/merge-windows.ts";
export {
  type DensityOptions,
  informationDensity,
  selectByDensity,
  type SelectByDensityOptions,
} from "./select/select-by-density.ts";
export { selectByGate } from "./select/select-by-gate.ts";
export { selectByThumbnail, type SelectByThumbnailOptions } from "./select/select-by-thumbnail.ts";
export { type CoveringSelection, selectCovering } from "./select/select-covering.ts";
export { selectSalientAndDistinct } from "./select/select-salient-and-distinct.ts";
export { applyReduction, type Reduction } from "./select/reduction.ts";
export { selectByAttention } from "./select/select-by-attention.ts";
export { selectChanged } from "./select/select-changed.ts";
export { relevanceToText } from "./select/relevance-to-text.ts";
export { type DeterminantSelection, selectDeterminant } from "./select/select-determinant.ts";
export {
  dependsOnText,
  type Mechanism,
  type MethodInfo,
  type Modality,
  type Signal,
  type Stage,
} from "./method-info.ts";
export { methods, usableMethods } from "./methods.ts";
export { attentiveBlocks } from "./encoder/attentive-blocks.ts";
export { clusterRows, type ClusterRowsOptions } from "./encoder/cluster-rows.ts";
export {
  type DiffRateEncoder,
  diffRateSchedules,
  type PruneAndMergeSchedule,
} from "./encoder/diff-rate-schedules.ts";
export {
  type EarlyExit,
  earlyExit,
  type EarlyExitOptions,
  TokenCanvas,
} from "./encoder/early-exit.ts";
export {
  mergeModulated,
  type ModulatedMerge,
  modulateRows,
  type ModulationParams,
} from "./encoder/modulate-rows.ts";
export { pruneAndMerge, type PruneAndMergeCounts } from "./encoder/prune-and-merge.ts";
export { reconstructRows, type ReconstructRowsOptions } from "./encoder/reconstruct-rows.ts";
export { followSources, restoreRows, rowSources, sizeBias } from "./encoder/row-sources.ts";
export {
  restoreSlimmedRows,
  type RestoringParams,
  slimRows,
  type SlimmingParams,
} from "./encoder/slim-rows.ts";
export type { LayerNorm, Linear } from "./encoder/trained-layers.ts";
export {
  type BipartiteMerge,
  mergeBipartite,
  type MergeBipartiteOptions,
  mergeSchedule,
} from "./select/merge-bipartite.ts";
export { mergeHalving } from "./select/merge-halving.ts";
export { labelRegions, selectFromRegions } from "./select/select-from-regions.ts";
export { selectDissimilar } from "./select/select-dissimilar.ts";
export { shareByThumbnail, type ShareByThumbnailOptions } from "./select/share-by-thumbnail.ts";
export { selectByFrameGroups } from "./select/select-by-frame-groups.ts";
export {
  chooseHeads,
  type ChooseHeadsOptions,
  dropHeadsFrom,
  headShares,
} from "./decoder/choose-heads.ts";
export { type EffortInput, effortFlops } from "./decoder/effort-flops.ts";
export { meanAttention } from "./decoder/mean-attention.ts";
export { countNeighbors, neighborMask } from "./decoder/neighbor-mask.ts";
export { pageRank, type PageRankOptions } from "./decoder/page-rank.ts";
export { countByLayer, type PlannedStage } from "./decoder/planned-stage.ts";
export {
  chooseRaters,
  pruneAndRecycle,
  type PruneAndRecycleOptions,
  recycleBudgets,
} from "./decoder/prune-and-recycle.ts";
export {
  pruneByAttention,
  type PruneByAttentionOptions,
  pruneInSteps,
  type PruneInStepsOptions,
} from "./decoder/prune-by-attention.ts";
export {
  linearRetention,
  type LinearRetentionOptions,
  pruneByRank,
  type PruneByRankOptions,
} from "./decoder/prune-by-rank.ts";
export {
  pruneToBudget,
  type PruneToBudgetOptions,
  ratioForBudget,
} from "./decoder/prune-to-budget.ts";
export { reduceImages } from "./decoder/reduce-images.ts";
export { imageAlignment, skipLayers, type SkipLayersOptions } from "./decoder/skip-layers.ts";
export { chooseWithdrawal, meanDivergence, withdrawImages } from "./decoder/withdraw-images.ts";
