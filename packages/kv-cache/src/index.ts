/**
 * What a key-value cache keeps, and which of it each layer attends to.
 *
 * Eviction policies are pure functions from lengths to slots. Attention policies are plain data, and
 * their selection on typed arrays is here; runtimes execute them inside the graph. Nothing here
 * knows about models or devices.
 *
 * @module
 */
export {
  keepSinksAndRecent,
  sinksAndRecent,
  type SinksAndRecentOptions,
} from "./keep/sinks-and-recent.ts";
export { groupedLandmarkSoftmax } from "./landmark/grouped-softmax.ts";
export { insertLandmarks } from "./landmark/insert-landmarks.ts";
export { landmarkAttention, type LandmarkOptions } from "./landmark/landmark-attention.ts";
export { landmarkPositions, type LandmarkPositions } from "./landmark/landmark-positions.ts";
export { correctingSequence } from "./select/correcting-sequence.ts";
export { createRowSelector } from "./select/create-row-selector.ts";
export { pageScores, quest, type QuestOptions } from "./select/quest.ts";
export { recoveredByLayer, recoveredMass } from "./select/recovered-mass.ts";
export { refreshKv, type RefreshKvOptions } from "./select/refresh-kv.ts";
export type { RowBudgetOptions } from "./select/row-budget.ts";
export type { Geometry, LayerView, RowSelector, SelectedRows } from "./select/row-selector.ts";
export { tidalDecode, type TidalDecodeOptions } from "./select/tidal-decode.ts";
export { softVotes, tokenSelect, type TokenSelectOptions } from "./select/token-select.ts";
export {
  residualPeaks,
  sinkLogits,
  sinkMass,
  sinksByAttention,
  sinksByValue,
  type SinkThresholds,
} from "./sinks/detect-sinks.ts";
export { headActivity, type HeadActivity } from "./sinks/head-activity.ts";
export { keepingSinks, withSinks } from "./sinks/with-sinks.ts";
