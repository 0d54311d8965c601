/**
 * Runs language models in browsers through onnxruntime-web.
 *
 * @module
 */
export {
  createChatTemplate,
  type ChatMessage,
  type ChatTemplate,
  createImageProcessor,
  type DownloadProgress,
  type ImagePlan,
  type ImageProcessor,
  type LoadProgress,
  type ModelFiles,
  type ProcessedImages,
  type RgbImage,
  type SessionKernels,
  type VisionEncoder,
} from "@frugal/runtime";
export { decodeImage } from "./decode-image.ts";
export type { Device } from "./devices.ts";
export { type KernelOptions, loadKernels } from "./load-kernels.ts";
export { loadModel, type LoadOptions } from "./load-model.ts";
export { loadVisionTower, type VisionTowerOptions } from "./load-vision-tower.ts";
export { openFiles } from "./files/open-files.ts";
export {
  type CachedFile,
  type CachedModel,
  type CachedModelName,
  deleteCachedModel,
  deleteCachedModels,
  listCachedModels,
} from "./files/cached-models.ts";
export type { HubOptions, ModelSource, SourceOptions } from "./files/model-source.ts";
