import { InferenceError } from "@frugal/core";
import { Interruption } from "@frugal/runtime";

import { emptyIndex, formatIndex, type ModelIndex, parseIndex } from "./model-index.ts";
import type { ModelStore, OpenPart, StoredFile } from "./model-store.ts";
import { canWrite, openPart, writeWhole } from "./opfs-part.ts";
import { readBlob } from "./read-blob.ts";

/** Folder of the origin's private file system that holds a folder for each model. */
const rootName = "frugal-models";

/** Name of the index in the folder of a model; blobs have names of hexadecimal digits. */
const indexName = "index.json";

/** Keeps the files of a model in the origin's private file system, for all its pages. */
export class OpfsStore implements ModelStore {
  readonly #folder: FileSystemDirectoryHandle;
  readonly #id: string;
  readonly #endpoint: string | null;

  /** @param folder the model's own; its name is the model's key. */
  constructor(folder: FileSystemDirectoryHandle, id: string, endpoint: string | null) {
    this.#folder = folder;
    this.#id = id;
    this.#endpoint = endpoint;
  }

  /** Opens the store of a model, and makes it if there is none. */
  static async open(key: string, id: string, endpoint: string | null): Promise<OpfsStore> {
    const root = await privateFolder();
    if (!canWrite()) {
      const reason = "this browser lets no page write to its private file system, only workers";
      throw new InferenceError("unsupported", `cache: ${reason}`);
    }
    const folder = await inCache(async () => {
      const models = await root.getDirectoryHandle(rootName, { create: true });
      return models.getDirectoryHandle(key, { create: true });
    });
    return new OpfsStore(folder, id, endpoint);
  }

  /** The name of the model's folder. */
  get key(): string {
    return this.#folder.name;
  }

  /** Whether a page is downloading a file of the model. */
  async isBusy(): Promise<boolean> {
    const { held = [] } = await navigator.locks.query();
    const own = this.#lock("");
    return held.some(({ name = "" }) => name.startsWith(own) && name !== own);
  }

  index(): Promise<ModelIndex> {
    return inCache(() => this.#locked("", undefined, () => this.#readIndex()));
  }

  update(change: (index: ModelIndex) => void): Promise<void> {
    const act = async (): Promise<void> => {
      const index = await this.#readIndex();
      change(index);
      const handle = await this.#folder.getFileHandle(indexName, { create: true });
      await writeWhole(handle, new TextEncoder().encode(formatIndex(index)));
    };
    return inCache(() => this.#locked("", undefined, act));
  }

  alone<T>(blob: string, signal: AbortSignal | undefined, use: () => Promise<T>): Promise<T> {
    return this.#locked(blob, signal, use);
  }

  part(blob: string): Promise<OpenPart> {
    return inCache(async () =>
      openPart(await this.#folder.getFileHandle(blob, { create: true }), inCache),
    );
  }

  async blob(blob: string): Promise<StoredFile | null> {
    const file = await inCache(() =>
      this.#folder
        .getFileHandle(blob)
        .then((handle) => handle.getFile())
        .catch(nullIfMissing),
    );
    if (file === null) return null;
    return { size: file.size, read: (offset, length) => readBlob(blob, file, offset, length) };
  }

  blobs(): Promise<readonly string[]> {
    return inCache(async () => {
      const names: string[] = [];
      for await (const name of this.#folder.keys()) if (name !== indexName) names.push(name);
      return names;
    });
  }

  remove(blob: string): Promise<void> {
    return inCache(async () => void (await this.#folder.removeEntry(blob).catch(nullIfMissing)));
  }

  /** Some browsers report more than they will give; then writing fails. */
  async room(): Promise<number> {
    const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
    return Math.max(0, quota - usage);
  }

  /** An index that was cut short is none: what it knew is found out again. */
  async #readIndex(): Promise<ModelIndex> {
    const handle = await this.#folder.getFileHandle(indexName).catch(nullIfMissing);
    if (handle === null) return emptyIndex(this.#id, this.#endpoint);
    try {
      return parseIndex(await (await handle.getFile()).text());
    } catch {
      return emptyIndex(this.#id, this.#endpoint);
    }
  }

  #locked<T>(blob: string, signal: AbortSignal | undefined, use: () => Promise<T>): Promise<T> {
    const options = signal === undefined ? {} : { signal };
    return navigator.locks.request(this.#lock(blob), options, use) as Promise<T>;
  }

  #lock(blob: string): string {
    return `${rootName}/${this.key}/${blob}`;
  }
}

/** The stores of all models that there are. */
export async function openStores(): Promise<readonly OpfsStore[]> {
  const root = await privateFolder();
  return inCache(async () => {
    const models = await root.getDirectoryHandle(rootName).catch(nullIfMissing);
    const stores: OpfsStore[] = [];
    for await (const handle of models?.values() ?? []) {
      if (isFolder(handle)) stores.push(new OpfsStore(handle, "", null));
    }
    return stores;
  });
}

/** Removes the store of a model, or those of all, with what is in it. */
export async function removeStores(store?: OpfsStore): Promise<void> {
  const root = await privateFolder();
  await inCache(async () => {
    const models = await root.getDirectoryHandle(rootName).catch(nullIfMissing);
    if (models === null) return;
    if (store === undefined) await root.removeEntry(rootName, { recursive: true });
    else await models.removeEntry(store.key, { recursive: true });
  });
}

async function privateFolder(): Promise<FileSystemDirectoryHandle> {
  try {
    return await navigator.storage.getDirectory();
  } catch (cause) {
    const reason = "this browser offers no private file system to this page";
    throw new InferenceError("unsupported", `cache: ${reason}: ${String(cause)}`, { cause });
  }
}

function isFolder(handle: FileSystemHandle): handle is FileSystemDirectoryHandle {
  return handle.kind === "directory";
}

/** Does something in the file system, and names the cache if that fails. */
async function inCache<T>(act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (cause instanceof Error && cause.name === "NoModificationAllowedError") {
      // A worker that was ended keeps its files open for a moment.
      throw new Interruption("cache: another page is writing the file");
    }
    throw new InferenceError("backend", `cache: ${String(cause)}`, { cause });
  }
}

/** Null for the failure to find something; throws any other. */
function nullIfMissing(cause: unknown): null {
  if (cause instanceof DOMException && cause.name === "NotFoundError") return null;
  throw cause;
}
