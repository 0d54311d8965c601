/**
 * Runs language models in browsers through onnxruntime-web.
 *
 * @module
 */
export {
  createChatTemplate,
  type ChatMessage,
  type ChatTemplate,
  type DownloadProgress,
  type LoadProgress,
  type ModelFiles,
} from "@frugal/runtime";
export type { Device } from "./devices.ts";
export { loadModel, type LoadOptions } from "./load-model.ts";
export { openFiles } from "./files/open-files.ts";
export type { HubOptions, ModelSource } from "./files/model-source.ts";
