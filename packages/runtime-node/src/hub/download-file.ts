import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, stat } from "node:fs/promises";

import { InferenceError } from "@frugal/core";

import { withFileLock } from "./file-lock.ts";
import { get } from "./http.ts";
import { Interruption, type RetryPolicy, withRetries } from "./retry.ts";

/** A file on a server and what is known of its content. */
export interface RemoteFile {
  readonly url: URL;
  /** Null: whatever the server sends. */
  readonly size: number | null;
  /** SHA-256 in 64 hexadecimal digits, or the id of a git blob in 40; null: not known. */
  readonly digest: string | null;
}

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
  await withFileLock(`${path}.lock`, transfer.signal, async () => {
    if (await isWhole(path, file)) return;
    const part = `${path}.part`;
    let furthest = 0;
    await withRetries(file.url.href, transfer.policy, transfer.signal, (gained) =>
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
  transfer: Transfer,
  onBytes: (bytes: number) => void,
): Promise<void> {
  // Opens for reading and writing, and creates without emptying.
  const handle = await open(part, "a+").then(async (created) => {
    await created.close();
    return open(part, "r+");
  });
  try {
    const { size } = await handle.stat();
    // What is left of an unknown file could be the beginning of another one.
    const have = file.digest === null || size > (file.size ?? 0) ? 0 : size;
    const hash = await receive(file, handle, await hashOf(file, part, have), transfer, onBytes);
    await verify(file, hash, handle, have > 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The first bytes of a file, of which `hash` has seen all. */
interface Beginning {
  readonly bytes: number;
  readonly hash: Hash | null;
}

/** Appends what is missing; returns the hash of the whole. */
async function receive(
  file: RemoteFile,
  handle: FileHandle,
  { bytes: have, hash }: Beginning,
  { token, policy, signal }: Transfer,
  onBytes: (bytes: number) => void,
): Promise<Hash | null> {
  if (have > 0) onBytes(have);
  if (have > 0 && have === file.size) return hash;
  const range = have > 0 ? { range: `bytes=${have}-` } : {};
  const { response, chunks, cancel } = await get(file.url, range, token, policy, signal);
  let bytes = have;
  let digest = hash;
  if (!continues(response, have)) {
    // The server sends the whole file, or has another one.
    if (response.status === 416) {
      cancel();
      await handle.truncate(0);
      throw new Interruption("the part is longer than the file");
    }
    bytes = 0;
    digest = emptyHash(file);
  }
  await handle.truncate(bytes);
  for await (const chunk of chunks()) {
    if (file.size !== null && bytes + chunk.length > file.size) {
      await handle.truncate(0);
      throw new InferenceError("format", `${file.url.href}: longer than ${file.size} bytes`);
    }
    await handle.write(chunk, 0, chunk.length, bytes);
    digest?.update(chunk);
    bytes += chunk.length;
    onBytes(bytes);
  }
  if (bytes !== (file.size ?? announcedSize(response, bytes))) {
    throw new Interruption(`ends after ${bytes} bytes`);
  }
  return digest;
}

/** Whether the response is the rest of the file from `have` on. */
function continues({ status, headers }: Response, have: number): boolean {
  if (status !== 206) return have === 0 && status !== 416;
  return headers.get("content-range")?.startsWith(`bytes ${have}-`) === true;
}

/** The length that a response announces; without one its end is where the connection says. */
function announcedSize({ headers }: Response, bytes: number): number {
  const length = headers.get("content-length");
  return length === null ? bytes : Number(length);
}

async function verify(
  file: RemoteFile,
  hash: Hash | null,
  handle: FileHandle,
  isContinued: boolean,
): Promise<void> {
  const digest = hash?.digest("hex") ?? null;
  if (digest === file.digest) return;
  await handle.truncate(0);
  const reason = `expected digest ${file.digest}, got ${digest}`;
  // The part may have been damaged before: a whole download decides.
  if (isContinued) throw new Interruption(reason);
  throw new InferenceError("format", `${file.url.href}: ${reason}`);
}

/** The beginning that the part file holds. */
async function hashOf(file: RemoteFile, part: string, bytes: number): Promise<Beginning> {
  const hash = emptyHash(file);
  if (hash === null || bytes === 0) return { bytes, hash };
  for await (const chunk of createReadStream(part, { end: bytes - 1 })) {
    hash.update(chunk as Uint8Array);
  }
  return { bytes, hash };
}

/** Git hashes a header before the content. */
function emptyHash({ digest, size }: RemoteFile): Hash | null {
  if (digest === null) return null;
  if (digest.length === 64) return createHash("sha256");
  return createHash("sha1").update(`blob ${size}\0`);
}
