import { InferenceError } from "@frugal/core";
import {
  checkFileName,
  continueFile,
  defaultRetryPolicy,
  type RemoteFile,
  type RetryContext,
  type RetryPolicy,
  withRetries,
} from "@frugal/runtime";

import { hashFor, nameOf } from "./hashes.ts";
import { type Connection, get } from "./http.ts";
import { hubOrigin } from "./hub-origin.ts";
import { MemoryStore } from "./memory-store.ts";
import { blobOf, type FileFacts, isIdentified } from "./model-index.ts";
import type { HubAddress, WebAddress } from "./model-source.ts";
import type { ModelStore, StoredFile } from "./model-store.ts";
import type { TransferOptions, WholeFiles } from "./open-files.ts";
import { OpfsStore } from "./opfs-store.ts";
import { isUnreachable, type Origin } from "./origin.ts";
import { webOrigin } from "./web-origin.ts";

/** A model on a server, and what of it is here. */
interface Opened {
  readonly store: ModelStore;
  readonly origin: Origin;
}

/**
 * Files of the Hub or of a web server.
 *
 * A file is downloaded whole when something of it is first asked for, and checked; from then on it is
 * read from where it is kept. What is kept and still the same is not downloaded again.
 */
export class DownloadedFiles implements WholeFiles {
  readonly #address: HubAddress | WebAddress;
  readonly #transfer: TransferOptions;
  readonly #connection: Connection;
  readonly #files = new Map<string, Promise<StoredFile | null>>();
  #opened: Promise<Opened> | null = null;

  constructor(
    address: HubAddress | WebAddress,
    transfer: TransferOptions,
    policy: RetryPolicy = defaultRetryPolicy,
  ) {
    const { signal } = transfer;
    const token = address.kind === "hub" ? address.token : null;
    this.#address = address;
    this.#transfer = transfer;
    this.#connection = { token, signal, context: retryContext(policy, signal), isReached: false };
  }

  async text(name: string): Promise<string | null> {
    const bytes = await this.whole(name);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  }

  async size(name: string): Promise<number | null> {
    return (await this.#file(name))?.size ?? null;
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    return (await this.#file(name))?.read(offset, length) ?? new Uint8Array();
  }

  async whole(name: string): Promise<Uint8Array | null> {
    const file = await this.#file(name);
    return file && file.read(0, file.size);
  }

  #file(name: string): Promise<StoredFile | null> {
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    const file = this.#bring(name);
    this.#files.set(name, file);
    file.catch(() => this.#files.delete(name));
    return file;
  }

  async #bring(name: string): Promise<StoredFile | null> {
    checkFileName(name);
    this.#opened ??= this.#open();
    this.#opened.catch(() => (this.#opened = null));
    const opened = await this.#opened;
    const file = await opened.origin.file(name);
    if (file === null) return null;
    const blob = blobOf(name, file);
    return opened.store.alone(blob, this.#transfer.signal, async () => {
      const kept = await wholeBlob(opened.store, blob);
      if (kept !== null && isIdentified(file)) return kept;
      try {
        return await this.#download(name, file, opened);
      } catch (error) {
        // What nothing identifies is downloaded each time, and kept for times without a network.
        if (!isUnreachable(error)) throw error;
        const old = await wholeBlob(opened.store, blob);
        if (old === null) throw error;
        return old;
      }
    });
  }

  async #open(): Promise<Opened> {
    const address = this.#address;
    const store = await openStore(address);
    const connection = this.#connection;
    const origin =
      address.kind === "hub"
        ? await hubOrigin(address, store, connection)
        : await webOrigin(address.base, store, connection);
    return { store, origin };
  }

  async #download(name: string, file: RemoteFile, opened: Opened): Promise<StoredFile> {
    const { store } = opened;
    const blob = blobOf(name, file);
    const needed = await missingBytes(name, file, opened);
    const room = await store.room();
    if (needed > room) throw noRoom(name, needed, room);
    let furthest = 0;
    const attempt = async (gained: () => void): Promise<void> => {
      const part = await store.part(blob, file.size);
      try {
        await continueFile(file, part, {
          get: (url, headers) => get(url, headers, this.#connection),
          createHash: hashFor,
          onBytes: (bytes) => {
            this.#report(name, bytes, file.size);
            if (bytes > furthest) gained();
            furthest = Math.max(furthest, bytes);
          },
        });
      } finally {
        await part.close();
      }
    };
    try {
      await withRetries(file.url, this.#connection.context, attempt);
    } catch (error) {
      if (!InferenceError.is(error) || !isFull(error.cause)) throw error;
      throw noRoom(name, needed, furthest, error);
    }
    const stored = (await store.blob(blob))!;
    await store.update(({ whole }) => whole.set(blob, stored.size));
    return stored;
  }

  #report(file: string, bytes: number, size: number | null): void {
    const totalBytes = size ?? bytes;
    const fraction = totalBytes === 0 ? 1 : bytes / totalBytes;
    this.#transfer.onProgress?.({ phase: "download", file, bytes, totalBytes, fraction });
  }
}

function isFull(cause: unknown): boolean {
  return cause instanceof Error && cause.name === "QuotaExceededError";
}

function noRoom(name: string, needed: number, room: number, cause?: unknown): InferenceError {
  return new InferenceError(
    "backend",
    `cache: ${name} needs ${needed} bytes, and the browser has room for ${room} from this origin: ` +
      'delete cached models, or load with cache: "none"',
    { cause },
  );
}

/** A blob that is here and was checked, or null. */
async function wholeBlob(store: ModelStore, blob: string): Promise<StoredFile | null> {
  const size = (await store.index()).whole.get(blob);
  if (size === undefined) return null;
  const stored = await store.blob(blob);
  return stored?.size === size ? stored : null;
}

/** Bytes to download of a file and of those that will be needed with it. */
async function missingBytes(
  name: string,
  file: FileFacts,
  { store, origin }: Opened,
): Promise<number> {
  let bytes = 0;
  for (const [other, facts] of [[name, file] as const, ...origin.companions(name)]) {
    const have = await store.blob(blobOf(other, facts));
    bytes += Math.max(0, (facts.size ?? 0) - (have?.size ?? 0));
  }
  return bytes;
}

async function openStore(address: HubAddress | WebAddress): Promise<ModelStore> {
  if (address.cache === "none") return new MemoryStore();
  const [id, endpoint] =
    address.kind === "hub" ? [address.repo, address.endpoint] : [address.base, null];
  try {
    return await OpfsStore.open(nameOf(`${endpoint}\n${id}`), id, endpoint);
  } catch (error) {
    if (address.cache === "opfs" || !InferenceError.is(error, "unsupported")) throw error;
    return new MemoryStore();
  }
}

function retryContext(policy: RetryPolicy, signal: AbortSignal | undefined): RetryContext {
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener("abort", end);
    });
  return { policy, signal, pause };
}
