import type { DownloadProgress, ModelFiles } from "@frugal/runtime";

import { FolderFiles } from "./folder-files.ts";
import { ListedFiles } from "./listed-files.ts";
import {
  addressOf,
  type HubOptions,
  type ModelSource,
  type SourceAddress,
} from "./model-source.ts";
import { UrlFiles } from "./url-files.ts";

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
 * template. Nothing is fetched before a file is asked for; what was fetched is held in memory.
 *
 * @throws {@link InferenceError} for a source that is none; see {@link loadModel}.
 */
export function openFiles(
  source: ModelSource,
  { hub, ...transfer }: TransferOptions & { readonly hub?: HubOptions } = {},
): ModelFiles {
  return filesAt(addressOf(source, baseUrl(), hub), transfer);
}

/** The files at an address. */
export function filesAt(address: SourceAddress, transfer: TransferOptions = {}): WholeFiles {
  if (address.kind === "files") return new ListedFiles(address.files);
  if (address.kind === "folder") return new FolderFiles(address.folder);
  return new UrlFiles(address.base, address.token, transfer);
}

/** What relative URLs are relative to, in a page or in a worker. */
export function baseUrl(): string {
  return globalThis.document?.baseURI ?? globalThis.location.href;
}
