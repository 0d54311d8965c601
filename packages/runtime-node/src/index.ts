/**
 * Runs language models in Node through onnxruntime-node.
 *
 * @module
 */
export {
  createChatTemplate,
  type ChatMessage,
  type ChatTemplate,
  createImageProcessor,
  type DownloadProgress,
  type EncoderInput,
  type ImagePlan,
  type ImageProcessor,
  type LoadProgress,
  type ProcessedImages,
  type RgbImage,
  type VisionEncoder,
} from "@frugal/runtime";
export { decodeImage } from "./decode-image.ts";
export type { Device } from "./devices.ts";
export { FolderFiles } from "./folder-files.ts";
export { downloadModel, type DownloadOptions } from "./hub/download-model.ts";
export type { HubOptions } from "./hub/hub-settings.ts";
export { type DraftHeadOptions, type LoadedDraftHead, loadDraftHead } from "./load-draft-head.ts";
export { type KernelOptions, loadKernels } from "./load-kernels.ts";
export { loadModel, type LoadOptions } from "./load-model.ts";
export { loadVisionEncoder, type VisionOptions } from "./load-vision-encoder.ts";
export { loadVisionTower, type VisionTowerOptions } from "./load-vision-tower.ts";
export type { LayoutOptions, ModelFormat, Variant } from "./model-layout.ts";
