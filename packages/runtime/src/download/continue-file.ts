import { InferenceError } from "@frugal/core";

import { announcedLength, type HttpAnswer, isEncoded, validatorOf } from "./http-answer.ts";
import { Interruption } from "./retry.ts";

/** A file on a server and what is known of its content. */
export interface RemoteFile {
  readonly url: string;
  /** Null: whatever the server sends. */
  readonly size: number | null;
  /** SHA-256 in 64 hexadecimal digits, or the id of a git blob in 40; null: not known. */
  readonly digest: string | null;
  /** What the server calls this version of the file, see `validatorOf`; null: not known. */
  readonly validator: string | null;
}

/** The bytes of a file that are there so far. */
export interface PartFile {
  readonly size: number;
  /** The first `length` bytes in pieces. */
  stream(length: number): AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array, offset: number): Promise<unknown>;
  truncate(size: number): Promise<unknown>;
}

/** A hash over bytes that come in pieces. */
export interface RunningHash {
  update(bytes: Uint8Array): unknown;
  /** In hexadecimal digits. */
  digest(): string | Promise<string>;
}

/** An answer whose body is read in pieces. */
export interface OpenAnswer {
  readonly answer: HttpAnswer;
  readonly chunks: () => AsyncIterable<Uint8Array>;
  /** Ends the connection. */
  readonly cancel: () => void;
}

/** What {@link continueFile} works by. */
export interface FileTransfer {
  /** Sends a GET request and judges its status, see `judgeAnswer`. */
  readonly get: (url: string, headers: Readonly<Record<string, string>>) => Promise<OpenAnswer>;
  /** The hash that gives digests like this one: SHA-256 or, over git's header, SHA-1. */
  readonly createHash: (digest: string, size: number | null) => RunningHash;
  /** Called with the number of bytes that the part has by now. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * One attempt to complete a part: asks for what is missing, appends it, and checks length and digest
 * of the whole. What cannot be the beginning of the file is dropped.
 *
 * A part is continued if the digest of the file is known or the server still calls its version the
 * same. The version is compared when the answer is there: `If-Range` would need permission that
 * plain servers do not give to pages of other origins.
 *
 * @throws {@link InferenceError} `format` if the content is not what was announced.
 * @throws {@link Interruption} for what another attempt may bring to an end.
 */
export async function continueFile(
  file: RemoteFile,
  part: PartFile,
  transfer: FileTransfer,
): Promise<void> {
  const isKnown = file.digest !== null || file.validator !== null;
  const have = isKnown && part.size <= (file.size ?? 0) ? part.size : 0;
  const hash = await receive(file, part, have, transfer);
  const digest = (await hash?.digest()) ?? null;
  if (digest === file.digest) return;
  await part.truncate(0);
  const reason = `expected digest ${file.digest}, got ${digest}`;
  // The part may have been damaged before: a whole download decides.
  if (have > 0) throw new Interruption(reason);
  throw new InferenceError("format", `${file.url}: ${reason}`);
}

/** Appends what is missing; resolves to the hash of the whole. */
async function receive(
  file: RemoteFile,
  part: PartFile,
  have: number,
  transfer: FileTransfer,
): Promise<RunningHash | null> {
  const { get, createHash, onBytes } = transfer;
  const hashFrom = () => (file.digest === null ? null : createHash(file.digest, file.size));
  let hash = hashFrom();
  if (have > 0) onBytes(have);
  if (hash !== null) for await (const bytes of part.stream(have)) hash.update(bytes);
  if (have > 0 && have === file.size) return hash;
  const range = have > 0 ? { range: `bytes=${have}-` } : {};
  const { answer, chunks, cancel } = await get(file.url, range);
  const start = startOf(answer, file, have);
  if (start === null) {
    cancel();
    await part.truncate(0);
    throw new Interruption(
      answer.status === 416 ? "the part is longer than the file" : "the file has changed",
    );
  }
  if (start !== have) hash = hashFrom();
  let bytes = start;
  await part.truncate(bytes);
  for await (const chunk of chunks()) {
    if (file.size !== null && bytes + chunk.length > file.size) {
      await part.truncate(0);
      throw new InferenceError("format", `${file.url}: longer than ${file.size} bytes`);
    }
    await part.write(chunk, bytes);
    hash?.update(chunk);
    bytes += chunk.length;
    onBytes(bytes);
  }
  const announced = announcedLength(answer);
  if (bytes !== (file.size ?? (announced === null ? bytes : start + announced))) {
    throw new Interruption(`ends after ${bytes} bytes`);
  }
  return hash;
}

/** Where in the file a body begins: at `have`, or at 0; null if nothing follows from it. */
function startOf(answer: HttpAnswer, file: RemoteFile, have: number): number | null {
  const { status, headers } = answer;
  // Digests find out by themselves, and servers call the same bytes differently.
  const isCertain = file.digest !== null || file.validator === null;
  if (!isCertain && file.validator !== validatorOf(answer)) return null;
  if (status !== 206) return status === 416 ? null : 0;
  const continues = headers.get("content-range")?.startsWith(`bytes ${have}-`) === true;
  return continues && !isEncoded(headers) ? have : null;
}
