import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";

import { InferenceError } from "@frugal/core";
import { defaultRetryPolicy, type DownloadProgress, type RetryPolicy } from "@frugal/runtime";

import { checkFolder } from "../folder-files.ts";
import { type LayoutOptions, modelLayout } from "../model-layout.ts";
import { chooseSmallFiles, shardsOf } from "./choose-files.ts";
import { downloadFile, isWhole } from "./download-file.ts";
import { HubCache } from "./hub-cache.ts";
import { hubOrigin } from "./hub-origin.ts";
import { type HubOptions, type HubSettings, hubSettings } from "./hub-settings.ts";
import { type ModelSource, parseModelSource } from "./model-source.ts";
import type { Origin } from "./origin.ts";
import { webFolder, webOrigin } from "./web-origin.ts";

/** How {@link downloadModel} gets a model. */
export interface DownloadOptions extends LayoutOptions {
  readonly hub?: HubOptions;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Ends the download at once; what is there by then is continued by the next one. */
  readonly signal?: AbortSignal;
}

/**
 * Makes sure that the files of a model are on this machine; resolves to their folder.
 *
 * Of a model on the Hub only the files that are needed are fetched: configuration, tokenizer, and
 * the weights that {@link LayoutOptions} choose. They go to the cache that the Python tools use,
 * under the commit that the branch has now. A folder is returned as it is.
 *
 * @param source a folder; a Hub id `org/name` or `org/name@revision`; or a URL: `hf://org/name`, a
 *   page of the Hub, or a folder on a web server
 * @throws the signal's reason; {@link InferenceError} `format` if there is no such model, a file of
 *   it is missing, or what comes is not what was announced; `backend` if a server refuses, the
 *   network fails for good, or the cache cannot be written.
 */
export async function downloadModel(
  source: string | URL,
  options: DownloadOptions = {},
): Promise<string> {
  const settings = await hubSettings(options.hub);
  const parsed = await parseModelSource(source, settings.endpoint, isFolder);
  return fetchModel(parsed, settings, options, defaultRetryPolicy);
}

/** {@link downloadModel} with everything decided. */
export async function fetchModel(
  source: ModelSource,
  settings: HubSettings,
  options: DownloadOptions,
  policy: RetryPolicy,
): Promise<string> {
  if (source.kind === "folder") {
    await checkFolder(source.folder);
    return source.folder;
  }
  const { signal } = options;
  signal?.throwIfAborted();
  if (settings.offline) return cachedFolder(source, settings);
  try {
    const origin =
      source.kind === "hub"
        ? await hubOrigin(source.repo, source.revision, settings, policy, signal)
        : await webOrigin(source.base, options, policy, signal);
    await fetchFiles(origin, options, policy);
    return origin.folder;
  } catch (error) {
    if (InferenceError.is(error) || signal?.aborted === true) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InferenceError("backend", `cache: ${reason}`, { cause: error });
  }
}

/** The folder that an earlier download has left. */
async function cachedFolder(
  source: Exclude<ModelSource, { kind: "folder" }>,
  { cacheFolder }: HubSettings,
): Promise<string> {
  let folder: string | null = null;
  let what: string;
  if (source.kind === "hub") {
    const cache = new HubCache(cacheFolder, source.repo);
    const commit = await cache.commitOf(source.revision);
    if (commit !== null) folder = cache.snapshot(commit);
    what = `${source.repo}@${source.revision}: not in ${cacheFolder}`;
  } else {
    folder = webFolder(source.base);
    what = `${source.base.href}: not in ${folder}`;
  }
  if (folder !== null && (await isFolder(folder))) return folder;
  throw new InferenceError("format", `${what}, and the network is not to be used (offline)`);
}

/** Brings the chosen files into the cache; those that are there already cost nothing. */
async function fetchFiles(
  origin: Origin,
  { onProgress, signal, ...layout }: DownloadOptions,
  policy: RetryPolicy,
): Promise<void> {
  const bring = async (name: string, onBytes: (bytes: number) => void): Promise<void> => {
    const file = origin.file(name);
    const path = await origin.pathFor(name);
    if (!(await isWhole(path, file))) {
      await downloadFile(file, path, { token: origin.token, policy, signal, onBytes });
    }
    await origin.publish(name);
  };
  const read = async (name: string): Promise<string | null> => {
    if (!origin.names.includes(name)) return null;
    await bring(name, () => {});
    return readFile(join(origin.folder, name), "utf8");
  };
  const chosen = modelLayout(origin.names, await read("genai_config.json"), layout);
  const shards =
    chosen.kind === "safetensors" && chosen.index !== null
      ? shardsOf((await read(chosen.index))!)
      : [];
  const names = [...chooseSmallFiles(origin.names), ...chosen.files, ...shards];
  const totalBytes = names.reduce((sum, name) => sum + (origin.file(name).size ?? 0), 0);
  let before = 0;
  for (const file of names) {
    const report = (bytes: number): void =>
      onProgress?.({
        phase: "download",
        fraction: Math.min(1, (before + bytes) / Math.max(1, totalBytes)),
        file,
        bytes: before + bytes,
        totalBytes,
      });
    await bring(file, report);
    before += origin.file(file).size ?? 0;
    report(0);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
}
