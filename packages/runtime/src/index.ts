/**
 * Builds ONNX graphs from `config.json` and `model.safetensors` and drives them.
 *
 * Neutral: the ONNX Runtime namespace, the files and the clock come from an adapter such as
 * `@frugal/runtime-node`.
 *
 * @module
 */
export { adapterConfig, adapterWeights } from "./architectures/kangaroo-adapter.ts";
export type { ModelPart } from "./architectures/model-part.ts";
export { createChatTemplate, type ChatMessage, type ChatTemplate } from "./chat/chat-template.ts";
export { addOutputs, type Additions, leastOpset } from "./exported/add-outputs.ts";
export { type DecoderSignature, decoderSignature } from "./exported/decoder-signature.ts";
export {
  continueFile,
  type FileTransfer,
  type OpenAnswer,
  type PartFile,
  type RemoteFile,
  type RunningHash,
} from "./download/continue-file.ts";
export { checkFileName } from "./download/file-name.ts";
export {
  type HttpAnswer,
  type HttpQuestion,
  judgeAnswer,
  totalLength,
  validatorOf,
} from "./download/http-answer.ts";
export {
  defaultRetryPolicy,
  Interruption,
  type RetryContext,
  type RetryPolicy,
  withRetries,
} from "./download/retry.ts";
export {
  type ExportedConfigs,
  exportedFacts,
  type ExportedFacts,
} from "./exported/exported-config.ts";
export {
  createExportedModel,
  type ExportedGraph,
  type ExportedSessions,
} from "./exported/exported-model.ts";
export { genaiNames, sharesBuffer } from "./exported/genai-names.ts";
export { findResidualStream, type ResidualStream } from "./exported/residual-stream.ts";
export { readRotaryTables } from "./exported/rotary-tables.ts";
export { sharesCache } from "./exported/shares-cache.ts";
export {
  createVisionEncoder,
  type EncoderInput,
  type VisionEncoder,
} from "./exported/vision-encoder.ts";
export type { AttentionProfile } from "./graph/attention/attention-profile.ts";
export { groupedQueryAttention, sharedAttention } from "./graph/attention/grouped-query.ts";
export { segmentedAttention, selectiveAttention } from "./graph/attention/segmented.ts";
export type { OperatorSet } from "./graph/product.ts";
export { convertGguf } from "./gguf/convert-gguf.ts";
export { dequantizeGguf, type GgufBlockType, repackGguf } from "./gguf/gguf-blocks.ts";
export { type GgufFile, type GgufModel, readGguf } from "./gguf/read-gguf.ts";
export { type DecoderOptions, type DecoderPlan, planDecoder } from "./graph/plan-decoder.ts";
export { buildDecoder, type LayerRange } from "./graph/decoder.ts";
export { buildMoveRows } from "./graph/move-rows.ts";
export { buildKangarooAdapter } from "./graph/kangaroo-adapter.ts";
export { buildProbe } from "./graph/probe.ts";
export type {
  DiffRateReduction,
  ExpeditReduction,
  PyraReduction,
  SelectReduction,
  SitReduction,
  TokenReduction,
  TomeReduction,
} from "./graph/token-reduction/token-reduction.ts";
export { buildVisionEncoder, type VisionGraphOptions } from "./graph/vision-encoder.ts";
export { createDraftHeads } from "./draft-heads.ts";
export { buildMedusa } from "./graph/medusa.ts";
export {
  describeDraftHead,
  draftHeadKind,
  type HeadParts,
  readDraftVocabulary,
} from "./load/draft-head.ts";
export { describeMedusa, type MedusaConfig } from "./load/medusa-config.ts";
export {
  cropCenter,
  cropImage,
  cutTiles,
  padToSquare,
  type Rectangle,
} from "./image/crop-image.ts";
export {
  createImageProcessor,
  type ImagePlan,
  type ImageProcessor,
  type ProcessedImages,
} from "./image/image-processor.ts";
export {
  type Normalization,
  type PatchOptions,
  toPatches,
  toPixelValues,
} from "./image/pixel-values.ts";
export type { Filter } from "./image/resampling.ts";
export { resizeImage } from "./image/resize-image.ts";
export { fromRgba, type RgbImage } from "./image/rgb-image.ts";
export { buildKernels, createKernels, type SessionKernels } from "./kernels.ts";
export { createLanguageModel, modelInfo, type RunOptions } from "./language-model.ts";
export { type ConfigOptions, parseModelConfig } from "./load/config.ts";
export type {
  Activation,
  AttentionKind,
  LayerNames,
  ModelConfig,
  Norm,
  TensorNames,
} from "./load/model-config.ts";
export type { Packing } from "./load/packing-config.ts";
export type { RopeScaling, Rotary } from "./load/rope-config.ts";
export { withImageSize } from "./load/image-size.ts";
export {
  parseVisionConfig,
  type PatchPositions,
  type Pooling,
  type Projector,
  type Size,
  type VisionConfig,
  type VisionNames,
} from "./load/vision-config.ts";
export {
  type ModelFiles,
  type ModelFolder,
  readJson,
  readModelFolder,
  readSafetensors,
  readWeights,
} from "./load/model-files.ts";
export { type ModelSummary, summarizeModel } from "./onnx/model-summary.ts";
export type { Ort, RunningSession } from "./onnx/ort.ts";
export { relocateWeights } from "./onnx/relocate-weights.ts";
export { connectModel, type Connection, type ConnectionHooks } from "./remote/connect-model.ts";
export type { DownloadProgress, LoadProgress, ModelPort } from "./remote/protocol.ts";
export { serveModel } from "./remote/serve-model.ts";
export { selfTest } from "./self-test.ts";
export {
  createReducedTower,
  type ReducedImage,
  type ReducedTower,
  type RowOrigins,
} from "./vision/reduced-tower.ts";
export { planTower, type TowerOptions, type TowerPlan } from "./vision/plan-tower.ts";
export { createVisionTower } from "./vision/vision-tower.ts";
export { addByteBlocks } from "./weights/byte-blocks.ts";
export type { BlockQuantization, Checkpoint } from "./weights/checkpoint.ts";
export { measureImportance } from "./weights/measure-importance.ts";
export { repackCheckpoint } from "./weights/repack-checkpoint.ts";
export { quantizeCheckpoint, type QuantizeOptions } from "./weights/quantize-checkpoint.ts";
export type { Weight, WeightMap } from "./weights/weight-map.ts";
export type { CheckpointStreams } from "./weights/write-checkpoint.ts";
