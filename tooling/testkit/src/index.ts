/**
 * What the tests of the other packages stand on: a transformer in plain float64 TypeScript, a
 * model with a known law, the contract suite of the `LanguageModel` port, and safetensors files.
 *
 * @module
 */
export { expectClose, largestDifference, rowsOf } from "./expect-close.ts";
export {
  testLanguageModel,
  type CaseName,
  type ContractOptions,
} from "./language-model-contract.ts";
export { testLayerRanges, type LayerRangeOptions } from "./layer-range-contract.ts";
export { markovModel, type MarkovOptions } from "./markov-model.ts";
export { readSafetensors, type SafetensorsFile } from "./read-safetensors.ts";
export {
  llamaConfigJson,
  parseLlamaConfig,
  tinyConfig,
  type LayerRange,
  type ReferenceConfig,
} from "./reference-config.ts";
export { createReferenceTransformer, type ReferenceOptions } from "./reference-transformer.ts";
export type { AttentionHook, AttentionView } from "./run-layers.ts";
export {
  loadReferenceWeights,
  randomWeights,
  tensorShapes,
  type ReferenceWeights,
  type TensorMap,
} from "./reference-weights.ts";
export { RotaryTable } from "./rotary-table.ts";
export { seededRandom, type SeededRandom } from "./seeded-random.ts";
export { topLogits } from "./select-logits.ts";
export {
  roundToBfloat16,
  writeSafetensors,
  type WriteSafetensorsOptions,
} from "./write-safetensors.ts";
