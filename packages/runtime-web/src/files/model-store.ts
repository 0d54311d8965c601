import type { PartFile } from "@frugal/runtime";

import { blobsOf, type ModelIndex } from "./model-index.ts";

/** Bytes that stay where they are until they are read. */
export interface StoredFile {
  readonly size: number;
  /** Bytes `[offset, offset + length)`; fewer if the file ends before. The caller must not write to them. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A part that is being written. */
export interface OpenPart extends PartFile {
  /** Keeps what was written. */
  close(): Promise<void>;
}

/** Where the files of one model are kept. */
export interface ModelStore {
  index(): Promise<ModelIndex>;
  /** Changes the index, after what others change. */
  update(change: (index: ModelIndex) => void): Promise<void>;
  /** Runs `use` while nobody else has the same blob. */
  alone<T>(blob: string, signal: AbortSignal | undefined, use: () => Promise<T>): Promise<T>;
  /** Opens a blob for writing; `size` is what it will have, if that is known. */
  part(blob: string, size: number | null): Promise<OpenPart>;
  /** A blob, whole or not; null if there is none. */
  blob(blob: string): Promise<StoredFile | null>;
  /** Names of all blobs, whole or not. */
  blobs(): Promise<readonly string[]>;
  remove(blob: string): Promise<void>;
  /** Bytes for which there is room, as far as that is known. */
  room(): Promise<number>;
}

/**
 * Removes the blobs that no revision refers to any more. One that another page is still writing
 * stays for the next time.
 */
export async function dropUnused(store: ModelStore): Promise<void> {
  let used: ReadonlySet<string> = new Set();
  await store.update((index) => {
    used = blobsOf(index);
    for (const blob of index.whole.keys()) if (!used.has(blob)) index.whole.delete(blob);
  });
  for (const blob of await store.blobs()) {
    if (!used.has(blob)) await store.remove(blob).catch(() => {});
  }
}
