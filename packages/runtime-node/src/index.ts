/**
 * Runs language models in Node through onnxruntime-node.
 *
 * @module
 */
export type { LoadProgress } from "@frugal/runtime";
export { createChatTemplate, type ChatMessage, type ChatTemplate } from "@frugal/runtime";
export type { Device } from "./devices.ts";
export { FolderFiles } from "./folder-files.ts";
export { loadModel, type LoadOptions } from "./load-model.ts";
