import type { DownloadProgress, ModelFiles } from "@frugal/runtime";

import { addressOf, type ModelSource, type SourceOptions } from "./model-source.ts";

/** The files of a model, which can be had as a whole. */
export interface WholeFiles extends ModelFiles {
  /** All bytes of a file, or null if there is none of this name. The caller must not write to them. */
  whole(name: string): Promise<Uint8Array | null>;
}

/** What a transfer needs to know. */
export interface TransferOptions {
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
}

/**
 * The files of a model, to read others than {@link loadModel} does: `tokenizer.json` or a chat
 * template. Nothing is fetched before a file is asked for; what was fetched is kept as
 * {@link loadModel} keeps it.
 *
 * @throws {@link InferenceError} for a source that is none; see {@link loadModel}.
 */
export function openFiles(
  source: ModelSource,
  options: TransferOptions & SourceOptions = {},
): ModelFiles {
  const address = addressOf(source, baseUrl(), options);
  let opened: Promise<ModelFiles> | null = null;
  // Apart, so that pages that load models in workers do not download it twice.
  const open = (): Promise<ModelFiles> =>
    (opened ??= import("./files-at.ts").then(({ filesAt }) => filesAt(address, options)));
  return {
    text: async (name) => (await open()).text(name),
    size: async (name) => (await open()).size(name),
    read: async (name, offset, length) => (await open()).read(name, offset, length),
  };
}

/** What relative URLs are relative to, in a page or in a worker. */
export function baseUrl(): string {
  return globalThis.document?.baseURI ?? globalThis.location.href;
}
