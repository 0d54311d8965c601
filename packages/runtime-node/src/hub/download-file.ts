import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, stat } from "node:fs/promises";

import {
  continueFile,
  type PartFile,
  type RemoteFile,
  type RetryPolicy,
  type RunningHash,
  withRetries,
} from "@frugal/runtime";

import { withFileLock } from "./file-lock.ts";
import { get } from "./http.ts";
import { retryContext } from "./retry.ts";

/** What the downloads of one call share. */
export interface Transfer {
  readonly token: string | null;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal | undefined;
  /** Called with the number of bytes that this file has by now. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Puts a file at `path`, whole and verified, or not at all.
 *
 * Bytes go to a part file beside it, which outlives failures and aborts; the next attempt, or the
 * next process, continues where it ends if the digest is known. Only one process downloads; others
 * wait for it. The file gets its name when its length and digest are right.
 *
 * @throws {@link InferenceError} `format` if there is no such file, or its content is not what was
 *   announced; `backend` if the server refuses or the network does not recover.
 */
export async function downloadFile(
  file: RemoteFile,
  path: string,
  transfer: Transfer,
): Promise<void> {
  const { policy, signal } = transfer;
  await withFileLock(`${path}.lock`, signal, async () => {
    if (await isWhole(path, file)) return;
    const part = `${path}.part`;
    let furthest = 0;
    await withRetries(file.url, retryContext(policy, signal), (gained) =>
      continuePart(file, part, transfer, (bytes) => {
        transfer.onBytes(bytes);
        if (bytes > furthest) gained();
        furthest = Math.max(furthest, bytes);
      }),
    );
    await rename(part, path);
  });
}

/** Whether a file is there with the announced size. Its content was checked when it was named. */
export async function isWhole(path: string, { size }: RemoteFile): Promise<boolean> {
  const entry = await stat(path).catch(() => null);
  return entry?.isFile() === true && (size === null || entry.size === size);
}

async function continuePart(
  file: RemoteFile,
  part: string,
  { token, policy, signal }: Transfer,
  onBytes: (bytes: number) => void,
): Promise<void> {
  // Opens for reading and writing, and creates without emptying.
  const handle = await open(part, "a+").then(async (created) => {
    await created.close();
    return open(part, "r+");
  });
  try {
    await continueFile(file, await partOf(part, handle), {
      get: (url, headers) => get(url, headers, token, policy, signal),
      createHash: emptyHash,
      onBytes,
    });
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function partOf(path: string, handle: FileHandle): Promise<PartFile> {
  return {
    size: (await handle.stat()).size,
    stream: (length) => (length === 0 ? nothing() : createReadStream(path, { end: length - 1 })),
    write: (bytes, offset) => handle.write(bytes, 0, bytes.length, offset),
    truncate: (size) => handle.truncate(size),
  };
}

async function* nothing(): AsyncGenerator<Uint8Array, void, void> {}

/** Git hashes a header before the content. */
function emptyHash(digest: string, size: number | null): RunningHash {
  const hash =
    digest.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
  return { update: (bytes) => hash.update(bytes), digest: () => hash.digest("hex") };
}
