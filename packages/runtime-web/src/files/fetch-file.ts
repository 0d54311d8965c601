import { InferenceError } from "@frugal/core";

import type { TransferOptions } from "./open-files.ts";

/**
 * Fetches a file; null if there is none.
 *
 * A page of HTML counts as none: that is what development servers and single-page hosts answer for
 * files that do not exist.
 *
 * @throws the signal's reason; {@link InferenceError} `backend` if the server refuses or cannot be
 *   reached, the transfer breaks off, or there is no memory for the file.
 */
export async function fetchFile(
  url: URL,
  token: string | null,
  { onProgress, signal }: TransferOptions,
): Promise<Uint8Array | null> {
  const name = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  try {
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(url, { headers, ...(signal && { signal }) });
    if (isMissing(response)) {
      await response.body?.cancel();
      return null;
    }
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`.trimEnd());
    const report = (bytes: number, totalBytes: number): void =>
      onProgress?.({
        phase: "download",
        file: name,
        bytes,
        totalBytes,
        fraction: totalBytes === 0 ? 1 : bytes / totalBytes,
      });
    return await readBody(response, report);
  } catch (cause) {
    signal?.throwIfAborted();
    if (InferenceError.is(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("backend", `${url.href}: ${reason}`, { cause });
  }
}

function isMissing({ status, headers }: Response): boolean {
  if (status === 404 || status === 410) return true;
  return status === 200 && headers.get("content-type")?.startsWith("text/html") === true;
}

/** Reads a body into one buffer, of the announced length where that is known. */
async function readBody(
  response: Response,
  report: (bytes: number, totalBytes: number) => void,
): Promise<Uint8Array> {
  const announced = announcedLength(response);
  let buffer = new Uint8Array(announced ?? 2 ** 16);
  let done = 0;
  for await (const chunk of chunksOf(response)) {
    if (done + chunk.length > buffer.length) {
      const larger = new Uint8Array(Math.max(2 * buffer.length, done + chunk.length));
      larger.set(buffer.subarray(0, done));
      buffer = larger;
    }
    buffer.set(chunk, done);
    done += chunk.length;
    report(done, Math.max(done, announced ?? 0));
  }
  if (announced !== null && done < announced) {
    throw new Error(`ended after ${done} of ${announced} bytes`);
  }
  return buffer.subarray(0, done);
}

/** Length of the body, unless it is compressed on the way. */
function announcedLength({ headers }: Response): number | null {
  const length = Number(headers.get("content-length") ?? Number.NaN);
  return headers.has("content-encoding") || !Number.isSafeInteger(length) ? null : length;
}

/** Not every browser iterates over streams. */
async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array, void, void> {
  const reader = body?.getReader();
  for (;;) {
    const next = await reader?.read();
    if (next?.value === undefined) return;
    yield next.value;
  }
}
