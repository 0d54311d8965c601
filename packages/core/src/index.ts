/**
 * What the Frugal packages share: buffer shapes, ports, the one error class, random numbers and
 * numeric kernels. No dependencies; runs wherever JavaScript runs.
 *
 * @module
 */
export { throwIfAborted, type AbortLike } from "./abort.ts";
export { type LayerKeys, PageBounds } from "./attention/page-bounds.ts";
export { RefreshSchedule } from "./attention/refresh-schedule.ts";
export { InferenceError, type InferenceErrorCode } from "./errors.ts";
export type { Matrix } from "./matrix.ts";
export { argMax } from "./numeric/arg-max.ts";
export { bfloat16ToFloat32 } from "./numeric/bfloat16.ts";
export { cosine } from "./numeric/cosine.ts";
export { dot } from "./numeric/dot.ts";
export { float16ToFloat32 } from "./numeric/float16.ts";
export { joinRows } from "./numeric/join-rows.ts";
export { logSumExp } from "./numeric/log-sum-exp.ts";
export { pickRows } from "./numeric/pick-rows.ts";
export { samePrefix } from "./numeric/same-prefix.ts";
export { softmax } from "./numeric/softmax.ts";
export { topIndices } from "./numeric/top-indices.ts";
export { wideDot } from "./numeric/wide-dot.ts";
export type {
  AttentionPolicy,
  LandmarkPolicy,
  QuestPolicy,
  RefreshKvPolicy,
  RowBudget,
  TidalDecodePolicy,
  TokenSelectPolicy,
} from "./ports/attention-policy.ts";
export { expectProducts, type Kernels, plainKernels } from "./ports/kernels.ts";
export type { DraftHeads, HeadGuesses } from "./ports/draft-heads.ts";
export type { CachePolicy } from "./ports/cache-policy.ts";
export type { ImageEffort, LayerSkips } from "./ports/image-effort.ts";
export type {
  LayerStage,
  ScoreKind,
  StageDecision,
  StageReads,
  StageView,
} from "./ports/layer-stage.ts";
export type {
  Block,
  Capabilities,
  ImageRows,
  LanguageModel,
  LogitsWanted,
  ModelInfo,
  RopeInfo,
  Sequence,
  SequenceOptions,
  StepOptions,
  StepOutput,
  Tap,
  TopLogits,
} from "./ports/model.ts";
export type { TextStream } from "./ports/text-stream.ts";
export { philox, philox4x32, randomStream, type Rng } from "./rng.ts";
